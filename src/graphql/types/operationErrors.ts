import { OperationNotCancellableError, OperationNotRetryableError } from '#domain/errors.ts';
import { builder } from '../builder.ts';
import { ErrorInterface } from './Error.ts';

const interfaces = [ErrorInterface];

builder.objectType(OperationNotCancellableError, {
  name: 'OperationNotCancellableError',
  description: 'The operation has ended, or is past its point of no return.',
  interfaces,
  fields: (t) => ({ reason: t.exposeString('reason', { description: 'Why, in words.' }) }),
});

builder.objectType(OperationNotRetryableError, {
  name: 'OperationNotRetryableError',
  description: 'The operation did not fail, or its cluster has changed since.',
  interfaces,
  fields: (t) => ({ reason: t.exposeString('reason', { description: 'Why, in words.' }) }),
});
