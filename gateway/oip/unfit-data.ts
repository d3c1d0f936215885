/**
 * In the place of data that were read in a thread and do not agree with their shape: what is wrong is told by whoever looks
 * at the data, as it is of data that are here as they came.
 */
export class UnfitData {
  readonly message: string;

  constructor(message: string) {
    this.message = message;
  }
}
