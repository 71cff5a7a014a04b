import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { LAYERS, layerViolations, MAY_IMPORT } from './support/tidy/layers.ts';
import { ADAPTERS } from './support/tidy/packages.ts';
import { violationsOf } from './support/tidy-rules.ts';

const root = join(import.meta.dirname, '..');

test('the repository keeps the rules of CONTRIBUTING.md', () => {
  const folders = '{agent,bench,bin,cli,controller,deploy,docs,examples,proto,runtime,stack,test}';
  const paths = globSync(['*.{md,yaml}', 'bin/*', `${folders}/**/*.{ts,mjs,as,proto,sh,yaml,md}`], { cwd: root });
  assert.ok(paths.length > 500, `only ${paths.length} files found`);
  const files = paths.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
  const violations = violationsOf(files);
  assert.equal(violations.length, 0, `${violations.length} violations:\n${violations.join('\n')}`);
});

interface Example {
  name: string;
  files: Record<string, string>;
  /** What is reported, one pattern for each violation. */
  reports: RegExp[];
}

const IMPORT_X = (from: string) => `import type { X } from '${from}';\n`;
const LONG = `${'words '.repeat(17)}end`;
const LONG_LINK = `<https://example.com/${'x'.repeat(100)}>`;

const examples: Example[] = [
  {
    name: 'an import of another process',
    files: { 'agent/model/a.ts': `\n${IMPORT_X('../../controller/x.ts')}` },
    reports: [/^agent\/model\/a\.ts:2: agent may not import controller \(controller\/x\.ts\): move/],
  },
  {
    name: 'an import of a helper by the contract',
    files: { 'proto/rules/a.ts': IMPORT_X('../../runtime/x.ts') },
    reports: [/^proto\/rules\/a\.ts:1: proto may not import runtime .*may import nothing$/],
  },
  {
    name: 'a dynamic import of another process',
    files: { 'agent/model/a.ts': `const x = await ${'import'}('../../cli/x.ts');\n` },
    reports: [/agent may not import cli/],
  },
  {
    name: 'a file in a folder that has no row in the import table',
    files: { 'tools/a.ts': '' },
    reports: [/^tools\/a\.ts:1: the folder tools is in no import table: add it/],
  },
  {
    name: 'a package outside its adapter',
    files: { 'controller/fleet/a.ts': "import { Etcd3 } from 'etcd3';\n" },
    reports: [/may not import etcd3: use it through controller/],
  },
  {
    name: 'a package without a decision',
    files: { 'agent/model/a.ts': "import x from 'left-pad';\nimport y from '@left/pad/deep';\n" },
    reports: [/:1: the package left-pad is in no table/, /:2: the package @left\/pad is in no table/],
  },
  {
    name: 'a built-in module without node:',
    files: { 'agent/model/a.ts': "import { join } from 'path';\n" },
    reports: [/path lacks node:/],
  },
  {
    name: 'a file name without its ending',
    files: { 'agent/model/a.ts': "import { x } from './x';\n" },
    reports: [/\.\/x lacks \.ts/],
  },
  {
    name: 'a cycle of three files, which are not reported with a file that only imports them',
    files: {
      'runtime/a.ts': IMPORT_X('./b.ts'),
      'runtime/b.ts': `// b\n${IMPORT_X('./c.ts')}`,
      'runtime/c.ts': IMPORT_X('./a.ts'),
      'runtime/d.ts': IMPORT_X('./a.ts'),
    },
    reports: [
      /^runtime\/a\.ts:1: a cycle of files: runtime\/a\.ts → runtime\/b\.ts → runtime\/c\.ts → runtime\/a\.ts \(3 files/,
    ],
  },
  {
    name: 'a cycle of folders without a cycle of files',
    files: {
      'runtime/a/one.ts': IMPORT_X('../b/one.ts'),
      'runtime/b/two.ts': IMPORT_X('../a/two.ts'),
    },
    reports: [/a cycle of folders: runtime\/a → runtime\/b → runtime\/a/],
  },
  {
    name: 'a cycle of a folder and the folder in it',
    files: {
      'runtime/one.ts': IMPORT_X('./a/one.ts'),
      'runtime/a/two.ts': IMPORT_X('../two.ts'),
    },
    reports: [/a cycle of folders: runtime → runtime\/a → runtime/],
  },
  { name: 'a default export', files: { 'agent/model/a.ts': 'export default 1;\n' }, reports: [/a default export/] },
  { name: 'a barrel', files: { 'agent/model/a.ts': "export * from './x.ts';\n" }, reports: [/a barrel/] },
  {
    name: 'an enum and a namespace',
    files: { 'agent/model/a.ts': '// enum A\nenum A {}\nnamespace B {}\n' },
    reports: [/:2: an enum/, /:3: an enum/],
  },
  { name: 'a name in camel case', files: { 'agent/model/someThing.ts': '' }, reports: [/kebab-case/] },
  {
    name: 'a bare sleep in a test',
    files: {
      'test/agent/a.test.ts': 'setTimeout(done, 10);\n',
      'test/chaos/a.test.ts': 'await clock.sleep(1);\n',
      'test/chaos/a.ts': 'await clock.sleep(1);\n',
      'test/support/a.ts': 'await clock.sleep(1);\n',
    },
    reports: [/^test\/agent\/a\.test\.ts:1: a bare sleep/, /^test\/chaos\/a\.test\.ts:1: a bare sleep/],
  },
  {
    name: 'a file of 301 lines, but none of 300',
    files: { 'agent/model/a.ts': 'x();\n'.repeat(301), 'agent/model/b.ts': 'x();\n'.repeat(300) },
    reports: [/^agent\/model\/a\.ts:301: a file of 301 lines/],
  },
  {
    name: 'a function of 61 lines, but none of 60',
    files: {
      'agent/model/a.ts': `\nfunction long() {\n${'  x();\n'.repeat(59)}}\n`,
      'agent/model/b.ts': `function long() {\n${'  x();\n'.repeat(58)}}\n`,
    },
    reports: [/^agent\/model\/a\.ts:2: a function of 61 lines/],
  },
  {
    name: 'a long method, whatever its parameters, and a long function in a constant',
    files: {
      'agent/model/a.ts': `class A {\n  private async long<T>(\n    x: T,\n  ): Promise<T> {\n${'    x();\n'.repeat(60)}  }\n}\n`,
      'agent/model/b.ts': `export const long = async () => {\n${'  x();\n'.repeat(60)}};\n`,
    },
    reports: [/^agent\/model\/a\.ts:2: a function of 64 lines/, /^agent\/model\/b\.ts:1: a function of 62 lines/],
  },
  {
    name: 'a wide comment, in each language',
    files: {
      'agent/model/a.ts': `x(); // ${LONG}\n/*\n * ${LONG}\n */\nconst x = '// ${LONG}';\n`,
      'agent/model/a.as': `// ${LONG}\n`,
      'bin/a.mjs': `// ${LONG}\n`,
      'bin/a.sh': `# ${LONG}\n`,
      'deploy/a.yaml': `a: b # ${LONG}\nlong: ${LONG}\n`,
      'proto/a.proto': `// ${LONG}\n`,
    },
    reports: [
      /^agent\/model\/a\.as:1: prose of 108 columns: wrap it at 100$/,
      /^agent\/model\/a\.ts:1: prose/,
      /^agent\/model\/a\.ts:3: prose/,
      /^bin\/a\.mjs:1: prose/,
      /^bin\/a\.sh:1: prose/,
      /^deploy\/a\.yaml:1: prose/,
      /^proto\/a\.proto:1: prose/,
    ],
  },
  {
    name: 'wide text of a document, but no table, no code block and no long link',
    files: {
      'docs/a.md': `- ${LONG}\n| ${LONG} |\n\`\`\`\n${LONG}\n\`\`\`\n${LONG}\n- ${LONG_LINK}\nSee ${LONG_LINK}\n`,
    },
    reports: [/^docs\/a\.md:1: prose/, /^docs\/a\.md:6: prose/, /^docs\/a\.md:8: prose/],
  },
  {
    name: 'dialect in a comment, a string and a document, but not in a name',
    files: {
      'agent/model/a.ts': "const anew = told; // by now\nconst x = 'lest';\n",
      'docs/a.md': 'It is told of.\n',
    },
    reports: [
      /^agent\/model\/a\.ts:1: "by now" is dialect: write "now"/,
      /^agent\/model\/a\.ts:2: "lest"/,
      /^docs\/a\.md:1: "is told"/,
    ],
  },
];

for (const { name, files, reports } of examples) {
  test(`found: ${name}`, () => {
    const found = violationsOf(Object.entries(files).map(([path, text]) => ({ path, text })));
    assert.equal(found.length, reports.length, found.join('\n'));
    for (const [index, report] of reports.entries()) assert.match(found[index] as string, report);
  });
}

test('the tables name only files and folders that exist', () => {
  const modules = Object.entries(LAYERS).flatMap(([folder, layers]) =>
    layers.flat().map((name) => `${folder}/${name}`),
  );
  const missing = [
    ...Object.keys(MAY_IMPORT).filter((folder) => !existsSync(join(root, folder))),
    ...modules.filter((path) => !existsSync(join(root, path)) && !existsSync(join(root, `${path}.ts`))),
    ...Object.values(ADAPTERS)
      .flat()
      .filter((path) => !existsSync(join(root, path))),
  ];
  assert.deepEqual(missing, []);
});

test('a layer imports only layers below it, and no module beside it', () => {
  const layers = { agent: [['main'], ['top'], ['top/left', 'top/right'], ['model']] };
  const violations = (path: string, from: string) =>
    layerViolations({ path, text: IMPORT_X(from) }, layers).map(({ problem }) => problem);
  assert.deepEqual(violations('agent/main.ts', './top/a.ts'), []);
  assert.deepEqual(violations('agent/top/a.ts', './left/a.ts'), []);
  assert.deepEqual(violations('agent/top/left/a.ts', './deep/b.ts'), []);
  assert.deepEqual(violations('agent/top/left/a.ts', '../../model/a.ts'), []);
  assert.deepEqual(violations('agent/top/left/a.ts', '../right/a.ts'), [
    'top/left may not import top/right (agent/top/right/a.ts)',
  ]);
  assert.deepEqual(violations('agent/top/left/a.ts', '../a.ts'), ['top/left may not import top (agent/top/a.ts)']);
  assert.deepEqual(violations('agent/model/a.ts', '../main.ts'), ['model may not import main (agent/main.ts)']);
  assert.deepEqual(violations('agent/other.ts', './model/a.ts'), ['agent/other.ts is in no layer of agent']);
});
