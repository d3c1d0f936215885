import type { Histogram } from './histogram.js';

export type Labels = Readonly<Record<string, string>>;

/** Prometheus text of metric families, one after the other. Families without a sample are left out. */
export class Exposition {
  readonly #lines: string[] = [];
  #family = '';
  #head: string | null = null;

  /** Begins a family; what is added next belongs to it. */
  family(name: string, type: 'counter' | 'gauge' | 'histogram', help: string): this {
    this.#family = name;
    this.#head = `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}`;
    return this;
  }

  /** A sample; nothing when there is no value. */
  add(labels: Labels, value: number | null): this {
    if (value !== null) this.#sample(this.#family, labelText(labels), value);
    return this;
  }

  histogram(labels: Labels, histogram: Histogram): this {
    const counts = histogram.cumulative();
    const rest = labelText(labels);
    const total = counts.at(-1)!;
    const bucket = (bound: string, count: number): void =>
      this.#sample(`${this.#family}_bucket`, `le="${bound}"${rest === '' ? '' : `,${rest}`}`, count);
    histogram.bounds.forEach((bound, place) => bucket(String(bound), counts[place]!));
    bucket('+Inf', total);
    this.#sample(`${this.#family}_sum`, rest, histogram.sum);
    this.#sample(`${this.#family}_count`, rest, total);
    return this;
  }

  get text(): string {
    return this.#lines.length === 0 ? '' : `${this.#lines.join('\n')}\n`;
  }

  #sample(name: string, labels: string, value: number): void {
    if (this.#head !== null) this.#lines.push(this.#head);
    this.#head = null;
    this.#lines.push(`${name}${labels === '' ? '' : `{${labels}}`} ${valueText(value)}`);
  }
}

function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`)
    .join(',');
}

function valueText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}
