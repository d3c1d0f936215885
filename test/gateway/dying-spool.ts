import { openFileCaptureFiles } from '../../adapters/captures/file-capture-files.js';
import { CaptureSpool } from '../../gateway/watching/capture-spool.js';
import type { SpoolConfig } from '../../gateway/watching/capture-spool.js';

// A gateway's spool that the test kills: it writes lines and says so, and never finishes the file.
const { folder, target, config } = JSON.parse(process.argv[2]!) as { folder: string; target: string; config: SpoolConfig };
const spool = new CaptureSpool({ folder, files: openFileCaptureFiles(target), config, log: () => undefined });
spool.start();
for (let i = 0; i < 100; i++) spool.add('demand/champion/2026/11/21/13', `${JSON.stringify({ line: i })}\n`);
const told = setInterval(() => {
  if (spool.written < 100) return;
  clearInterval(told);
  process.stdout.write('written\n');
}, 5);
setInterval(() => undefined, 1_000);
