import type { QualityFigure, QualitySource } from '../../activities/quality-ports.js';
import type { Exposition } from './exposition.js';

/**
 * The quality of live versions, as the registry last told it: asked for in the background, so that a scrape never waits
 * for the registry. While it is away the last figures stand, with the time at which they were measured.
 */
export class QualityFigures {
  readonly #source: QualitySource;
  #figures: readonly QualityFigure[] = [];
  #asking: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: QualitySource) {
    this.#source = source;
  }

  start(everyMs: number): void {
    void this.refresh();
    this.#timer = setInterval(() => void this.refresh(), everyMs);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Never rejects. A registry that takes long is not asked again meanwhile. */
  refresh(): Promise<void> {
    this.#asking ??= this.#source
      .live()
      .then(
        (figures) => void (this.#figures = figures),
        () => undefined,
      )
      .finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  write(text: Exposition): void {
    const labelled = this.#figures.map((figure) => {
      const { model, version, metric, source } = figure;
      return { figure, labels: { model_name: model, version, metric, source } };
    });
    text.family(
      'model_accuracy',
      'gauge',
      'Newest measured quality of a live version, in the terms of its metric (of an error, less is better)',
    );
    for (const { figure, labels } of labelled) text.add(labels, figure.value);
    text.family('model_accuracy_rows', 'gauge', 'Rows or labelled pairs that the figure is made of');
    for (const { figure, labels } of labelled) text.add(labels, figure.rows);
    text.family('model_accuracy_measured_timestamp_seconds', 'gauge', 'When the figure was measured');
    for (const { figure, labels } of labelled) text.add(labels, figure.measuredAtMs / 1000);
  }
}
