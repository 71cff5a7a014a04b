import { Command, Option } from 'commander';
import { version } from '../runtime/version.ts';
import { addAgentChoice } from './add-choice.ts';
import { addCompletion } from './add-completion.ts';
import { addForget } from './add-forget.ts';
import { addHistory } from './add-history.ts';
import { addImport } from './add-import.ts';
import { addQuestions, parseDuration } from './add-questions.ts';
import { addRewind } from './add-rewind.ts';
import { addRollout, addRolloutOptions, waitMsOf } from './add-rollout.ts';
import { addSettings } from './add-settings.ts';
import { addTop } from './add-top.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { type ApplyOptions, apply, namesIn } from './commands/apply.ts';
import { type DeleteOptions, deleteEntries } from './commands/delete.ts';
import { describe } from './commands/describe.ts';
import { forget } from './commands/forget.ts';
import { type GetOptions, get } from './commands/get.ts';
import { outputs } from './output.ts';
import { type PlanOptions, planOf } from './rollout/plan.ts';
import { type ConnectionOptions, type ControllerApi, connect } from './rpc/client.ts';
import { parseTargets } from './target.ts';
import { kafkaFlags } from './verify/kafka-flags.ts';

const EXAMPLES = `
Examples:
  logfleet apply -f entry.yaml          create or change the entries of a file
  logfleet get entries                  what is collected
  logfleet get agents -l env=prod -w    who collects it, and how it goes, as it changes
  logfleet top agents                   who is furthest behind, live
  logfleet describe agent web-17        every file of an agent: position, lag, last error
  logfleet delete entry nginx-access
  logfleet pause entry nginx-access --agent web-17   and resume, limit, drain
  logfleet preview -f entry.yaml        what an entry would collect, before it exists
  logfleet tap entry nginx-access | grep -i error   lines as they are collected right now
  logfleet rewind entry nginx-access --since 10m   its last lines once more, marked
  logfleet import ini -f conf.ini       entries of what another agent was told to collect
  logfleet history entry nginx-access   who changed it and why; see diff, rollback and audit, too
  logfleet verify --topic nginx --kafka kafka-1:9092   proves that nothing is missing or there twice

Exit codes: 0 done; 1 the controller refuses, there is no such thing, verify has found something, or diff has; 2 the
command or its input is wrong; 3 the controller, the agent or Kafka can't be reached.
`;

const VERIFY_HELP = `
The records of each generation of a file must tile: each begins where the one before it ended. HOLE: bytes that no
record has, and of which no loss tells. lost: bytes of which one does. DOUBLE: bytes that are there again. open: a
generation that is not sealed yet, complete in the range that is told. Exit code 1 when there is a HOLE or a DOUBLE.

Examples:
  logfleet verify --topic nginx --kafka kafka-1:9092,kafka-2:9092
  logfleet verify --topic nginx --entry nginx-access --since 2h --kafka kafka-1:9092 -o json
  logfleet verify --topic nginx --kafka kafka-1:9093 --kafka.tls.enabled --kafka.sasl.mechanism plain \\
    --kafka.sasl.username verifier --kafka.sasl.password-file /etc/logfleet/password
`;

type Write = (text: string) => void;

/** The command line. `write` takes what goes to standard output. */
export function createProgram(write: Write): Command {
  const program = new Command('logfleet')
    .description('Says what a fleet collects, and shows how it goes.')
    .version(version, '--version')
    .addOption(
      new Option('--controller <host:port>', 'a controller').env('LOGFLEET_CONTROLLER').default('127.0.0.1:7070'),
    )
    .addOption(
      new Option('--timeout <duration>', 'how long an answer, or its beginning, may take')
        .argParser(parseDuration)
        .default(10_000, '10s'),
    )
    .addOption(new Option('--tls', 'use TLS (or LOGFLEET_TLS=true)').default(process.env['LOGFLEET_TLS'] === 'true'))
    .addOption(new Option('--ca-file <file>', 'authorities to trust').env('LOGFLEET_CA_FILE'))
    .addOption(new Option('--cert-file <file>', 'certificate to show').env('LOGFLEET_CERT_FILE'))
    .addOption(new Option('--key-file <file>', 'key to the certificate').env('LOGFLEET_KEY_FILE'))
    .addOption(
      new Option('--author <name>', 'who is told to make a change (default: user@host)').env('LOGFLEET_AUTHOR'),
    )
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(see --help)')
    .exitOverride()
    .configureOutput({ writeOut: write });
  for (const add of [addApply, addGet, addDescribe, addDelete, addVerify, addCompletion]) add(program, write);
  addQuestions(program, write, (body) => withApi(program, body));
  for (const add of [addSettings, addHistory, addImport, addRewind, addRollout, addTop, addForget])
    add(program, write, (body) => withApi(program, body), parseDuration);
  return program;
}

/** Runs a command with a connection that is closed at its end. */
function withApi(program: Command, body: (api: ControllerApi) => Promise<void>): Promise<void> {
  const { timeout, ...rest } = program.opts<Omit<ConnectionOptions, 'timeoutMs'> & { timeout: number }>();
  const api = connect({ ...rest, timeoutMs: timeout });
  return body(api).finally(() => api[Symbol.dispose]());
}

const APPLY_HELP = `
Examples:
  logfleet apply -f entry.yaml
  cat entry.yaml | logfleet apply -f -
  logfleet apply -f entries/ --dry-run
  logfleet apply -f entries/ --prune -l managed-by=git --reason "release 12"   and deletes what is not in the folder
  logfleet apply -f entry.yaml --wait --timeout 2m             until every connected agent has applied it
  logfleet apply -f entry.yaml --rollout 1,10%,all --step-wait 30s --on-failure undo --wait
  logfleet apply -f entry.yaml --rollout env=canary,10%        see logfleet rollout

A selector that matches no agent is applied, with a warning on standard error.
`;

function addApply(program: Command, write: Write): void {
  const command = program
    .command('apply')
    .description('create or change entries, all of them at one revision, or none')
    .requiredOption('-f, --filename <file...>', 'YAML or JSON files, folders of them, or - for standard input')
    .option('--prune', 'delete the entries that -l matches and the files do not have')
    .option('-l, --selector <selector>', 'with --prune: the labels of the entries that the files are all of')
    .option('--dry-run', 'have the controller check all of it, and change nothing')
    .option('--reason <text>', 'why, for the history')
    .addHelpText('after', APPLY_HELP);
  addRolloutOptions(command).action((options: ApplyOptions & PlanOptions & { wait?: boolean }) =>
    withApi(program, (api) => {
      const waitMs = options.wait ? waitMsOf(program) : undefined;
      return apply(api, { ...options, plan: planOf(options), waitMs }, write);
    }),
  );
}

function addGet(program: Command, write: Write): void {
  const command = program
    .command('get <kind> [name...]')
    .description('list entries, agents, what was lost, what alerts there are, rollouts, or what is set for agents')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(outputs).default('table'))
    .option('-l, --selector <selector>', 'only those whose labels match, such as env=prod,!canary')
    .option('-w, --watch', 'go on with every change')
    .option('--agent <id>', 'of losses and alerts: only of this agent')
    .option('--entry <name>', 'of losses and alerts: only about this entry; of agents: only those that have it');
  addAgentChoice(command, parseDuration)
    .addHelpText(
      'after',
      '\nExamples:\n  logfleet get entries -o wide\n  logfleet get agents -w\n  logfleet get agents --sort-by lag --state failed --entry nginx-access\n  logfleet get agents --min-lag 10MiB -o wide\n  logfleet get agents --liveness lost\n  logfleet get losses --entry nginx-access\n  logfleet get alerts\n  logfleet get rollouts\n  logfleet get settings\n  logfleet get entry nginx-access -o yaml',
    )
    .action((kind: string, names: string[], options: GetOptions) =>
      withApi(program, (api) => get(api, [kind, ...names], options, write)),
    );
}

function addDescribe(program: Command, write: Write): void {
  program
    .command('describe <kind> [name...]')
    .description('tell all about an entry or an agent')
    .addHelpText('after', '\nExamples:\n  logfleet describe entry nginx-access\n  logfleet describe agent web-17')
    .action((kind: string, names: string[]) => withApi(program, (api) => describe(api, [kind, ...names], write)));
}

const DELETE_HELP = `
Examples:
  logfleet delete entry nginx-access
  logfleet delete -f entry.yaml --dry-run
`;

function addDelete(program: Command, write: Write): void {
  program
    .command('delete [kind] [name...]')
    .description(
      'delete entries: agents stop collecting them, rollback brings them back; or forget agents that are gone',
    )
    .option('-f, --filename <file...>', 'the entries of these files')
    .option('--dry-run', 'have the controller check it, and change nothing')
    .option('--reason <text>', 'why, for the history')
    .addHelpText('after', DELETE_HELP)
    .action((kind: string | undefined, names: string[], options: DeleteOptions & { filename?: string[] }) =>
      withApi(program, async (api) => {
        if (options.filename && kind !== undefined)
          throw new CliError(exitCodes.usage, 'give names, or files with -f: not both');
        const gone = options.filename ? [] : agentsOf([kind ?? '', ...names]);
        if (gone.length > 0) return forget(api, gone, 'deleted', write);
        const targets = options.filename ? await namesIn(options.filename) : entriesOnly([kind ?? '', ...names]);
        await deleteEntries(api, targets, options, write);
      }),
    );
}

function addVerify(program: Command, write: Write): void {
  const command = program
    .command('verify')
    .description('read a topic, and prove from its records that no line is missing or there twice; needs no controller')
    .requiredOption('--topic <topic...>', 'what to read; give all topics that an entry has had')
    .addOption(new Option('--kafka <host:port,...>', 'brokers').env('LOGFLEET_KAFKA').makeOptionMandatory())
    .option('--entry <name>', 'only the records of this entry')
    .option('--since <time>', 'only records since then: 2026-01-31T08:00:00Z, or how long ago: 2h')
    .option('--audit-topic <topic>', 'where losses and sealed files are told; "" for none', 'logfleet.audit')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['table', 'json']).default('table'));
  for (const [flag, description] of kafkaFlags) command.option(flag, description);
  command.addHelpText('after', VERIFY_HELP).action(async (options) => {
    // Kafka's client is loaded only where it is needed.
    const { verify } = await import('./commands/verify.ts');
    await verify(options, write);
  });
}

/** The names, if agents are named. */
function agentsOf(words: readonly string[]): string[] {
  const { kind, names } = parseTargets(words);
  return kind === 'agent' ? names : [];
}

function entriesOnly(words: readonly string[]): string[] {
  const { kind, names } = parseTargets(words);
  if (kind !== 'entry') throw new CliError(exitCodes.usage, 'only entries can be changed');
  if (names.length === 0) throw new CliError(exitCodes.usage, 'name the entries');
  return names;
}
