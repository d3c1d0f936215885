/** The stable failure types of the platform. They are wire format: never renamed. */
export type FailureType = 'DataInvalid' | 'TrainerFailed' | 'ArtifactRejected' | 'Conflict' | 'NotApproved' | 'Unavailable';

/**
 * An expected failure: it names the thing, the reason, and the way out.
 * Activities turn it into an `ApplicationFailure` of the same type; the CLI and the API print its message.
 */
export class PerennialError extends Error {
  readonly type: FailureType;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** Machine-readable places: paths, rows, limits. Plain JSON. */
  readonly details: Record<string, unknown>;

  constructor(
    type: FailureType,
    message: string,
    options: { retryable?: boolean; details?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PerennialError';
    this.type = type;
    this.retryable = options.retryable ?? type === 'Unavailable';
    this.details = options.details ?? {};
  }
}
