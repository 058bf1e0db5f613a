import { GraphQLError } from 'graphql';
import { expect, test } from 'vitest';
import { InvalidInputError, NotFoundError } from '#domain/errors.ts';
import { badUserInput, expectedError, forbidden, notFound, unauthenticated } from '#graphql/errors.ts';

test('an expected failure outside of a union is told with its code', () => {
  const located = new GraphQLError('x', { originalError: new NotFoundError('The cluster') });
  for (const error of [new NotFoundError('The cluster'), located]) {
    expect(expectedError(error)?.toJSON()).toEqual({
      message: 'The cluster does not exist in this project.',
      extensions: { code: 'NOT_FOUND' },
    });
  }
  expect(expectedError(new InvalidInputError([{ path: 'a', message: 'is bad' }]))).toMatchObject({
    message: 'a: is bad',
    extensions: { code: 'INVALID_INPUT' },
  });
});

test('what GraphQL itself finds is told as it is', () => {
  const inner = new GraphQLError('DateTime must be like …');
  const outer = new GraphQLError('Variable "$at" got invalid value', { originalError: inner });
  for (const error of [
    inner,
    outer,
    unauthenticated(),
    badUserInput('no'),
    forbidden('Query.apiKeys', { required: 'ADMIN', role: 'VIEWER' }),
    notFound('It'),
  ]) {
    expect(expectedError(error)).toBe(error);
  }
});

test('anything else is not expected', () => {
  const bug = new TypeError('secret');
  for (const error of [bug, new GraphQLError('secret', { originalError: bug }), 'secret', null, undefined]) {
    expect(expectedError(error)).toBe(null);
  }
});
