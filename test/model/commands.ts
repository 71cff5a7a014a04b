import fc from 'fast-check';
import type { FleetModel } from './fleet-model.ts';
import type { FleetSystem } from './fleet-system.ts';
import { AGENT_LABELS } from './selectors.ts';
import { anySteering, anyWrite, makeWrite, type Steering, steer, type Write } from './writes.ts';

type Command = fc.AsyncCommand<FleetModel, FleetSystem>;

/** `may`: whether the command makes sense now. Without it, it always does. */
function command(
  text: string,
  may: (model: Readonly<FleetModel>) => boolean,
  run: (model: FleetModel, real: FleetSystem) => Promise<void>,
): Command {
  return { check: may, run, toString: () => text };
}

/** At least one controller runs, so that writes are possible. */
const hasController = ({ controllers }: Readonly<FleetModel>) => controllers.some(Boolean);

const write = (what: Write) =>
  command(`write ${JSON.stringify(what)}`, hasController, (model, real) => makeWrite(model, real, what));

const steering = (what: Steering) =>
  command(JSON.stringify(what), hasController, (model, real) => steer(model, real, what));

const agentCommand = (index: number, how: 'connect' | 'stop' | 'crash') =>
  command(
    `agent-${index} ${how}`,
    ({ agents }) => agents[index] === (how !== 'connect'),
    async (model, real) => {
      model.agents[index] = how === 'connect';
      if (how === 'connect') real.connect(index);
      else await real.disconnect(index, how, model);
    },
  );

/** A controller is killed while a write is in progress at it, or at another one. */
const killController = (index: number, during: Write) =>
  command(
    `kill controller ${index} during ${JSON.stringify(during)}`,
    ({ controllers }) => controllers[index] === true,
    async (model, real) => {
      const writing = makeWrite(model, real, during);
      model.controllers[index] = false;
      await Promise.all([writing, real.killController(index)]);
    },
  );

const startController = (index: number) =>
  command(
    `start controller ${index}`,
    ({ controllers, etcd }) => etcd && controllers[index] === false,
    async (model, real) => {
      await real.startController(index);
      model.controllers[index] = true;
    },
  );

const killEtcd = (during: Write) =>
  command(
    `kill etcd during ${JSON.stringify(during)}`,
    (model) => model.etcd && hasController(model),
    async (model, real) => {
      const writing = makeWrite(model, real, during);
      model.etcd = false;
      await Promise.all([writing, real.etcd.kill('SIGKILL')]);
    },
  );

const startEtcd = command(
  'start etcd',
  ({ etcd }) => !etcd,
  async (model, real) => {
    await real.etcd.start();
    model.etcd = true;
  },
);

/** A quiet point: everything that runs must agree. */
const settle = command(
  'settle',
  (model) => model.etcd && hasController(model),
  (model, real) => real.settle(model),
);

const agent = fc.nat({ max: AGENT_LABELS.length - 1 });
const controller = fc.nat({ max: 1 });

/** What may happen, as often as it is listed. Add a new kind of write or fault here. */
export const COMMANDS: fc.Arbitrary<Command>[] = [
  ...Array.from({ length: 8 }, () => anyWrite.map(write)),
  ...Array.from({ length: 3 }, () => anySteering.map(steering)),
  agent.map((index) => agentCommand(index, 'connect')),
  agent.map((index) => agentCommand(index, 'connect')),
  fc.tuple(agent, fc.constantFrom('stop' as const, 'crash' as const)).map(([index, how]) => agentCommand(index, how)),
  fc.tuple(controller, anyWrite).map(([index, during]) => killController(index, during)),
  controller.map(startController),
  controller.map(startController),
  anyWrite.map(killEtcd),
  fc.constant(startEtcd),
  fc.constant(startEtcd),
  fc.constant(settle),
  fc.constant(settle),
];
