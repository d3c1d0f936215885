import { RequestError } from '../http/request-error.js';

/** What AWS calls a signature that does not count; its clients make a class of the name. */
export type SignatureFault =
  'InvalidSignatureException' | 'IncompleteSignatureException' | 'UnrecognizedClientException' | 'ExpiredTokenException';

/** A request whose signature does not count. */
export class SignatureError extends RequestError {
  readonly fault: SignatureFault;

  constructor(fault: SignatureFault, message: string) {
    super('unauthenticated', message);
    this.fault = fault;
  }
}
