import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { violationsOf } from './support/tidy-rules.ts';

const root = join(import.meta.dirname, '..');
const paths = globSync('{agent,bench,cli,controller,proto,runtime,stack,test}/**/*.ts', { cwd: root });

test("every file keeps to design.md's import table and to the conventions", () => {
  assert.ok(paths.length > 50);
  const violations = paths.flatMap((path) => violationsOf({ path, text: readFileSync(join(root, path), 'utf8') }));
  assert.deepEqual(violations, []);
});

const wrong: [string, string, string, RegExp][] = [
  [
    'a process that imports another',
    'agent/a.ts',
    "import { x } from '../controller/x.ts';\n",
    /agent may not import controller/,
  ],
  [
    'the contract that imports a helper',
    'proto/rules/a.ts',
    "import { x } from '../../runtime/x.ts';\n",
    /proto may not import runtime/,
  ],
  ['a package outside its adapter', 'controller/fleet/a.ts', "import { Etcd3 } from 'etcd3';\n", /may import etcd3/],
  ['a package that nobody decided on', 'agent/a.ts', "import x from 'left-pad';\n", /not in the table of packages/],
  ['a module without node:', 'agent/a.ts', "import { join } from 'path';\n", /lacks node:/],
  ['an import without its ending', 'agent/a.ts', "import { x } from './x';\n", /lacks \.ts/],
  ['a default export', 'agent/a.ts', 'export default 1;\n', /default export/],
  ['a barrel', 'agent/index.ts', "export * from './x.ts';\n", /barrel/],
  ['a name in camel case', 'agent/someThing.ts', '', /kebab-case/],
  ['a long file', 'agent/a.ts', '\n'.repeat(300), /301 lines/],
  ['a long function', 'agent/a.ts', `function long() {\n${'  x();\n'.repeat(60)}}\n`, /a function of 62 lines/],
  ['a sleep in a test', 'test/agent/a.test.ts', `${'set'}Timeout(done, 10);\n`, /bare sleep/],
];
for (const [name, path, text, expected] of wrong) {
  test(`${name} is found`, () => assert.match(violationsOf({ path, text }).join('\n'), expected));
}
