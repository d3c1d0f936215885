const LOOK_MS = 500;
const QUIET_MS = 1500;

/**
 * Tells a person what goes on, and is never silent for more than two seconds while something does:
 * on a terminal one line that is drawn again, elsewhere a plain line.
 * @param {{stream?: NodeJS.WriteStream, title: string}} options
 */
export function createProgress({ stream = process.stderr, title }) {
  /** @type {Map<string, {since: number, detail: string}>} */
  const going = new Map();
  const live = stream.isTTY === true && process.env.TERM !== 'dumb';
  let last = Date.now();
  let drawn = false;

  const erase = () => {
    if (drawn) stream.write('\r\u001b[2K');
    drawn = false;
  };
  /** @param {string} line */
  const say = (line) => {
    erase();
    stream.write(`${line}\n`);
    last = Date.now();
  };
  const draw = () => {
    if (going.size === 0) return;
    const parts = [...going].map(([name, { since, detail }]) => `${name} ${seconds(since)}${detail === '' ? '' : ` (${detail})`}`);
    const line = `  … ${parts.join(' · ')}`;
    if (live) {
      erase();
      stream.write(line.slice(0, (stream.columns ?? 100) - 1));
      drawn = true;
    } else if (Date.now() - last >= QUIET_MS) {
      say(line);
    }
  };
  const timer = setInterval(draw, LOOK_MS);
  timer.unref();
  say(title);

  return {
    say,
    /** @param {string} name @param {string} why */
    begin(name, why) {
      going.set(name, { since: Date.now(), detail: '' });
      say(`  → ${name}: ${why}`);
    },
    /** @param {string} name @param {string} detail */
    detail(name, detail) {
      const step = going.get(name);
      if (step !== undefined) step.detail = detail.slice(0, 60);
    },
    /** @param {string} name @param {string} [note] */
    done(name, note) {
      const step = going.get(name);
      going.delete(name);
      say(`  ✓ ${name}${step === undefined ? '' : `, ${seconds(step.since)}`}${note === undefined ? '' : `: ${note}`}`);
    },
    /** Ends a step without a word. @param {string} name */
    drop(name) {
      going.delete(name);
    },
    end() {
      clearInterval(timer);
      erase();
    },
  };
}

/** @param {number} since */
function seconds(since) {
  return `${((Date.now() - since) / 1000).toFixed(1)} s`;
}
