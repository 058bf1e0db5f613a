FROM node:24-bookworm AS build
WORKDIR /grove
COPY package.json package-lock.json .npmrc tsconfig.json prisma.config.ts ./
COPY tools tools
COPY prisma prisma
COPY graphiql graphiql
COPY src src
RUN npm ci

FROM node:24-bookworm
WORKDIR /grove
COPY --from=build /grove/package.json /grove/package-lock.json /grove/.npmrc ./
COPY --from=build /grove/tools tools
COPY --from=build /grove/prisma prisma
COPY --from=build /grove/src src
COPY --from=build /grove/dist dist
RUN npm ci --omit=dev && npm cache clean --force && install -d -o node -g node -m 0700 /var/lib/grove
USER node
ENV NODE_ENV=production GROVE_DATA=/var/lib/grove
VOLUME /var/lib/grove
ENTRYPOINT ["node", "/grove/src/main.ts"]
