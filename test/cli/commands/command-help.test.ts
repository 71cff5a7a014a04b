import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Command } from 'commander';
import { createProgram } from '../../../cli/program.ts';

const MAX_COLUMNS = 80;

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.filter((each) => each.name() !== '__complete').flatMap(allCommands)];
}

/** The help of each command, by its full name. */
function helpTexts(columns?: number): Map<string, { command: Command; help: string }> {
  let written = '';
  const program = createProgram((text) => {
    written += text;
  });
  const texts = allCommands(program).map((command) => {
    if (columns !== undefined) command.configureOutput({ getOutHelpWidth: () => columns });
    written = '';
    command.outputHelp();
    return [fullName(command), { command, help: written }] as const;
  });
  return new Map(texts);
}

function fullName(command: Command): string {
  return command.parent ? `${fullName(command.parent)} ${command.name()}` : command.name();
}

test('the help of every command starts with usage and summary and points to the global options', () => {
  const texts = helpTexts();
  assert.ok(texts.size > 30, `${texts.size} commands`);
  for (const [name, { command, help }] of texts) {
    assert.match(help, new RegExp(`^Usage: ${name} \\[options\\].*\\n\\n[A-Z].*\\.\\n`), name);
    assert.match(help, /\n {2}-h, --help +show this help\n/, name);
    if (command.parent)
      assert.match(help, /\nGlobal options:\n {2}--controller, .* see "logfleet options"\.\n$/s, name);
  }
});

test('the help of every command fits in 80 columns, or in the width of the terminal', () => {
  for (const columns of [undefined, 90, 120]) {
    for (const [name, { help }] of helpTexts(columns)) {
      // Commands in examples are not wrapped, so that they can be copied as a line.
      const lines = help.split('\n').filter((line) => columns === undefined || !/^ {2}(logfleet|cat) /.test(line));
      const longest = Math.max(...lines.map((line) => line.length));
      assert.ok(longest <= (columns ?? MAX_COLUMNS), `${name}: ${longest} columns for ${columns ?? MAX_COLUMNS}`);
    }
  }
});

test('every example in the help names a command that exists and options that it accepts', () => {
  const texts = helpTexts();
  let examples = 0;
  for (const [name, { help }] of texts) {
    for (const [line] of help.matchAll(/(?<=^ {2}|\| |<\()logfleet .*(?:\\\n.*)*/gm)) {
      const words = line.split(/\s+/);
      const length = [3, 2].find((count) => texts.has(words.slice(0, count).join(' ')));
      const known = texts.get(words.slice(0, length).join(' '));
      assert.ok(length && known, `${name}: ${line}`);
      const options = [...known.command.options, ...(texts.get('logfleet')?.command.options ?? [])];
      const flags = words.slice(length).filter((word) => /^--?[a-z]/.test(word));
      for (const flag of flags)
        assert.ok(
          options.some(({ short, long }) => flag === short || flag === long),
          `${name}: ${flag} in ${line}`,
        );
      examples += 1;
    }
  }
  assert.ok(examples > 50, `${examples} examples`);
});

test('commands that accept several kinds list them with what they are', () => {
  const texts = helpTexts();
  const get = texts.get('logfleet get')?.help ?? '';
  for (const kind of [
    'entries, entry',
    'agents, agent',
    'losses, loss',
    'alerts, alert',
    'rollouts, rollout',
    'settings',
  ])
    assert.match(get, new RegExp(`\\n {2}${kind} +[a-z]`));
  assert.match(texts.get('logfleet pause')?.help ?? '', /\nKinds:\n {2}entries, entry .*\n {2}agents, agent .*\n\n/);
});
