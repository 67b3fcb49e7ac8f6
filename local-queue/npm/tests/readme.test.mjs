// The example of the README, word for word, and its output.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const folder = process.env.PACKAGE_FOLDER ?? process.cwd();
const readme = fs.readFileSync(new URL('../README.md', import.meta.url), 'utf8');
const block = (language) => new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'm').exec(readme)[1];

test('the tests of the README pass and print what it shows', () => {
  const [command, ...expected] = block('console').split('$ ').pop().split('\n');
  fs.writeFileSync(path.join(folder, 'jobs.test.mjs'), block('js'));
  // A runner within a runner would report to it.
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const output = execFileSync('sh', ['-c', command], { cwd: folder, env, encoding: 'utf8' });
  assert.equal(output, expected.join('\n'));
});

test("the lines of the program's own README run", () => {
  const section = fs.readFileSync(new URL('../../README.md', import.meta.url), 'utf8').split('### Node\n')[1];
  const [, lines] = /^```js\n([^]*?)^```$/m.exec(section);
  const imports = "import { SQSClient } from '@aws-sdk/client-sqs';\nimport { start } from 'local-queue';\n";
  fs.writeFileSync(path.join(folder, 'lines.mjs'), `${imports}${lines}console.log(sqs.constructor.name, QueueUrl);\n`);
  const output = execFileSync(process.execPath, ['lines.mjs'], { cwd: folder, encoding: 'utf8' });
  assert.match(output, /^SQSClient http:\/\/127\.0\.0\.1:\d+\/000000000000\/jobs\n$/);
});
