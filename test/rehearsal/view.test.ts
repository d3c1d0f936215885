import { Writable } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { styleFor } from '../../clients/cli/output/style.js';
import { ReplayLine } from '../../clients/rehearsal/view/replay-line.js';
import { RunView } from '../../clients/cli/output/run-view.js';
import { Screen } from '../../clients/cli/output/screen.js';
import type { RolloutStatus } from '../../contracts/rollout.js';
import type { StepProgress } from '../../contracts/steps.js';

class Paper extends Writable {
  text = '';
  isTTY = false;
  columns = 60;
  rows = 20;
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8');
    done();
  }
}

const open: Screen[] = [];
function screenOn(paper: Paper): Screen {
  const screen = new Screen({ stream: paper });
  open.push(screen);
  return screen;
}
afterEach(() => {
  for (const screen of open.splice(0)) screen.end();
});
const style = styleFor(new Paper(), {});

describe('the screen', () => {
  it('writes plain lines where there is no terminal, and repeats what goes on so that it is not silent', async () => {
    const paper = new Paper();
    const screen = screenOn(paper);
    screen.say('first');
    screen.show(() => ({ lines: ['one', 'two'], plain: '… goes on' }));
    await expect.poll(() => paper.text, { timeout: 20_000 }).toBe('first\n… goes on\n');
  });

  it('draws in place on a terminal: what stays is above what is drawn again, and lines never wrap', () => {
    const paper = new Paper();
    paper.isTTY = true;
    const screen = screenOn(paper);
    screen.show(() => ({ lines: ['x'.repeat(200), 'second'], plain: '' }));
    screen.say('stays');
    const [before, after] = paper.text.split('\u001b[2A\u001b[0J');
    expect(before?.split('\n')[0]?.length).toBeLessThan(paper.columns);
    expect(after?.startsWith('stays\n')).toBe(true);
  });

  it('leaves nothing of what went on when it is over', () => {
    const paper = new Paper();
    paper.isTTY = true;
    const screen = screenOn(paper);
    screen.show(() => ({ lines: ['a', 'b', 'c'], plain: '' }));
    screen.show(null);
    expect(paper.text.endsWith('\u001b[3A\u001b[0J')).toBe(true);
  });

  it('draws no more lines than the terminal has', () => {
    const paper = new Paper();
    paper.isTTY = true;
    paper.rows = 6;
    screenOn(paper).show(() => ({ lines: Array.from({ length: 50 }, (_, i) => `${i}`), plain: '' }));
    expect(paper.text.trim().split('\n')).toEqual(['0', '1', '2', '3']);
  });
});

describe('the replay line', () => {
  const totals = { hours: 84, requests: 84_000, failed: 0, labels: 83, errors: [{ version: '1.0.0', hours: 50, error: 0.1234 }] };

  it('tells hour, progress, pace, requests and error', () => {
    const line = new ReplayLine();
    line.hear({ kind: 'began', fromMs: Date.UTC(2011, 9, 1), untilMs: Date.UTC(2011, 9, 8), hours: 168, absent: 0 });
    line.hear({ kind: 'hour', nowMs: Date.UTC(2011, 9, 4, 12), hoursPerSecond: 2, requestsPerSecond: 2000, answeredBy: {}, ...totals });
    expect(line.block('>', true).plain).toBe(
      `> 2011-10-04 12:00 UTC  ${'━'.repeat(12)}${'─'.repeat(12)} 84 of 168 h, 2.0 h/s  84,000 requests (none failed)  1.0.0 MAPE 12.3% over 50 h`,
    );
  });

  it('shouts when requests failed, and says why it stands still', () => {
    const line = new ReplayLine();
    line.hear({ kind: 'began', fromMs: 0, untilMs: 10, hours: 10, absent: 0 });
    line.hear({ kind: 'hour', nowMs: 0, hoursPerSecond: 2, requestsPerSecond: 1, answeredBy: {}, ...totals, failed: 1200 });
    expect(line.block('>', false).plain).toContain('1,200 FAILED');
    line.hear({ kind: 'waiting', nowMs: 0, why: 'run x trains' });
    expect(line.block('>', false).plain).toContain('model time stands still, run x trains');
  });
});

describe('the view of a run', () => {
  const done: StepProgress = { step: 'extract', status: 'done', startedAtMs: 0, endedAtMs: 400, detail: '10 rows' };
  const running: StepProgress = { step: 'tune', status: 'running', startedAtMs: 0 };
  const progress = (steps: StepProgress[], beat: unknown = null) => ({
    kind: 'progress' as const,
    progress: { run: 'r', version: null, stage: 'x', steps },
    work: [{ activity: 'runTrial', attempt: 1, beat, lastFailure: null }],
    rollout: null,
  });

  it('says each step once, when it is over', () => {
    const view = new RunView({ style, trials: 20 });
    expect(view.hear(progress([done, running]))).toEqual(['✓ extract    400 ms  10 rows']);
    expect(view.hear(progress([done, running]))).toEqual([]);
  });

  it('shows what the step at work does', () => {
    const view = new RunView({ style, trials: 20 });
    view.hear(progress([running], { purpose: 'trial-006', round: 120, rounds: 300, metrics: { mape: 0.131 } }));
    expect(view.block('>').plain).toMatch(/^> tune +[\d.]+ s {2}trial 7 of 20 round 120 of 300 \(mape 0\.131\)$/);
  });

  it('says that it queues, or that no worker answers', () => {
    const view = new RunView({ style, trials: 20 });
    view.hear({ kind: 'queued' });
    expect(view.block('>').plain).toContain('waits behind another run');
    view.hear({ kind: 'noWorker' });
    expect(view.block('>').plain).toContain('no worker answers');
  });

  it('tells once that a version waits for a decision, and nothing when the policy decides at once', () => {
    const view = new RunView({ style, awaitingApproval: (version) => [`approve ${version}`] });
    const approval = (startedAtMs: number): StepProgress => ({ step: 'approval', status: 'waiting', startedAtMs });
    const seen = (step: StepProgress) => ({ ...progress([step]), progress: { ...progress([step]).progress, version: '1.0.1' } });
    expect(view.hear(seen(approval(Date.now() + 60_000)))).toEqual([]);
    expect(view.hear(seen(approval(0)))).toEqual(['approve 1.0.1']);
    expect(view.hear(seen(approval(0)))).toEqual([]);
    expect(view.hear(seen({ ...approval(0), status: 'done', endedAtMs: 1_000, detail: 'by ann' }))).toEqual([
      '✓ approval      1 s  by ann',
    ]);
  });

  it('shows how far a rollout is, and why the step before was left', () => {
    const view = new RunView({ style });
    const rollout = {
      stepName: 'canary 5%',
      share: 0.05,
      evidence: [{ verdict: { reason: 'pass after 18 h' } }],
    } as unknown as RolloutStatus;
    view.hear({ ...progress([{ step: 'rollout', status: 'running', startedAtMs: 0 }]), work: [], rollout });
    expect(view.block('>').plain).toMatch(/^> rollout +[\d.]+ s {2}canary 5% at 5%, before: pass after 18 h$/);
  });

  it('tells a refused and a failed step from a good one', () => {
    const view = new RunView({ style, trials: 20 });
    const steps: StepProgress[] = [
      { ...done, step: 'gates', status: 'refused' },
      { ...done, step: 'tune', status: 'reused' },
      { ...done, step: 'train', status: 'failed' },
    ];
    expect(view.hear(progress(steps)).map((line) => line.slice(0, 2))).toEqual(['✗ ', '· ', '✗ ']);
  });
});
