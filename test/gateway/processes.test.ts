import { describe, expect, it } from 'vitest';
import { joinExpositions, joinStatistics } from '../../gateway/siblings/joined-figures.js';
import { answerOfAll, answerOfOne } from '../../gateway/siblings/siblings.js';
import { json } from '../../gateway/http/reply.js';

const answer = (index: number, status: number, value: unknown) => ({ index, ...json(status, value), body: JSON.stringify(value) });

describe('figures of several processes', () => {
  it('stand in one exposition, each sample with its process, each family once', () => {
    const text = (value: number) =>
      `# HELP a_total Things\n# TYPE a_total counter\na_total{model_name="m"} ${value}\n# HELP b Other\n# TYPE b gauge\nb ${value}\n`;
    expect(joinExpositions({ index: 1, text: text(2) }, [{ index: 0, text: text(5) }])).toBe(
      [
        '# HELP a_total Things',
        '# TYPE a_total counter',
        'a_total{process="1",model_name="m"} 2',
        'a_total{process="0",model_name="m"} 5',
        '# HELP b Other',
        '# TYPE b gauge',
        'b{process="1"} 2',
        'b{process="0"} 5',
        '',
      ].join('\n'),
    );
  });

  it('add up in the statistics, by version and by size of batch', () => {
    const stats = (count: number, sizes: readonly number[], last: number) => ({
      model_stats: [
        {
          name: 'm',
          version: '1.0.0',
          last_inference: last,
          inference_count: count,
          inference_stats: { success: { count, ns: count * 10 } },
          batch_stats: sizes.map((batch_size) => ({ batch_size, compute_infer: { count: 1, ns: 7 } })),
        },
      ],
    });
    const joined = joinStatistics(json(200, stats(2, [1, 4], 50)), [answer(1, 200, stats(3, [4, 8], 40)), answer(2, 503, {})]);
    expect(JSON.parse(String(joined.body))).toEqual({
      model_stats: [
        {
          name: 'm',
          version: '1.0.0',
          last_inference: 50,
          inference_count: 5,
          inference_stats: { success: { count: 5, ns: 50 } },
          batch_stats: [
            { batch_size: 1, compute_infer: { count: 1, ns: 7 } },
            { batch_size: 4, compute_infer: { count: 2, ns: 14 } },
            { batch_size: 8, compute_infer: { count: 1, ns: 7 } },
          ],
        },
      ],
    });
  });
});

describe('an answer of several processes', () => {
  it('to a change is the first refusal, whoever refuses', () => {
    expect(answerOfAll(json(200, {}), [answer(1, 200, {}), answer(2, 400, { error: 'no' })]).status).toBe(400);
    expect(answerOfAll(json(409, {}), [answer(1, 400, {})]).status).toBe(409);
    expect(answerOfAll(json(200, {}), []).status).toBe(200);
  });

  it('about one thing is that of the process that knows it', () => {
    expect(answerOfOne(json(404, {}), [answer(1, 404, {}), answer(2, 200, { id: 'x' })]).body).toBe('{"id":"x"}');
    expect(answerOfOne(json(404, {}), [answer(1, 404, {})]).status).toBe(404);
  });
});
