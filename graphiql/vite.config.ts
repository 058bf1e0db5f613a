import { defineConfig } from 'vite';

// The server's content security policy allows scripts and workers only as files of its own: nothing is inlined.
export default defineConfig({
  base: '/graphiql/',
  logLevel: 'error',
  build: {
    outDir: '../dist/graphiql',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4_000,
    rolldownOptions: {
      onwarn: (warning, warn) => (warning.code === 'MODULE_LEVEL_DIRECTIVE' ? undefined : warn(warning)),
    },
  },
});
