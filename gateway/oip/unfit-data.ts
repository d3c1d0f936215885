/** Rows of which some agree with the shape: those in one list, where each of them is in it, and what is wrong with the others. */
export type FitRows = {
  readonly flat: Float64Array | readonly unknown[];
  /** Of each row the number that it has among the fit ones; below 0 for others: `reasons[-1 - place]` says why. */
  readonly places: Int32Array;
  readonly reasons: readonly string[];
};

/** Data that do not agree with their shape: what is wrong with all of them, and, where they are a list, what is in it. */
export type Unfit = {
  readonly message: string;
  /** Null when the data are no list. */
  readonly length: number | null;
  readonly isNested: boolean;
  /** Null when they have other rows than the shape says. */
  readonly rows: FitRows | null;
};

/**
 * In the place of data that were read in a thread and do not agree with their shape: what is wrong is told by whoever looks
 * at the data, as it is of data that are here as they came.
 */
export class UnfitData {
  readonly unfit: Unfit;

  constructor(unfit: Unfit) {
    this.unfit = unfit;
  }

  get message(): string {
    return this.unfit.message;
  }

  /** Data of some rows, each of `width` elements: a list where all of them are fit. */
  slice({ from, rows, width }: { from: number; rows: number; width: number }): unknown {
    const { places, reasons, flat } = this.unfit.rows!;
    const wrong = places.subarray(from, from + rows).find((place) => place < 0);
    if (wrong !== undefined) return new UnfitData({ ...this.unfit, message: reasons[-1 - wrong]!, rows: null });
    return flat.slice(places[from]! * width, (places[from]! + rows) * width);
  }
}
