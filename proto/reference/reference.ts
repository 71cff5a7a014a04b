import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorProto,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { type FieldComment, parseFieldComment } from './field-comment.ts';

/** A field as its .proto file documents it. */
export interface FieldReference extends FieldComment {
  readonly name: string;
  /**
   * `string`, `integer`, `number`, `boolean`, `bytes`, `timestamp`, `object`, `enum`, or one of
   * them after `[]`.
   */
  readonly type: string;
  /** The message of an `object`: a key of the Reference. */
  readonly message?: string;
  /** The values of an `enum`. */
  readonly enumValues: readonly EnumValueReference[];
}

export interface EnumValueReference {
  readonly name: string;
  readonly description: readonly string[];
}

/** A message as its .proto file documents it. */
export interface MessageReference {
  readonly name: string;
  readonly description: readonly string[];
  readonly fields: readonly FieldReference[];
}

/** The messages of the contract by their full names, such as `logfleet.v1.Entry`. */
export type Reference = ReadonlyMap<string, MessageReference>;

const DESCRIPTORS = join(import.meta.dirname, '..', 'gen', 'descriptors.binpb');

/** The numbers of fields in descriptor.proto, of which the paths of comments consist. */
const PATH = { fileMessage: 4, fileEnum: 5, messageField: 2, messageNested: 3, messageEnum: 4, enumValue: 2 } as const;

const { Type, Label } = { Type: FieldDescriptorProto_Type, Label: FieldDescriptorProto_Label };

const SCALARS: Readonly<Partial<Record<FieldDescriptorProto_Type, string>>> = {
  [Type.DOUBLE]: 'number',
  [Type.FLOAT]: 'number',
  [Type.BOOL]: 'boolean',
  [Type.STRING]: 'string',
  [Type.BYTES]: 'bytes',
  [Type.ENUM]: 'enum',
};

/** Reads the contract's messages and their comments from proto/gen/descriptors.binpb. */
export function loadReference(): Reference {
  const { file: files } = fromBinary(FileDescriptorSetSchema, readFileSync(DESCRIPTORS));
  const own = files.filter((file) => file.package.startsWith('logfleet.'));
  const contract: Contract = { messages: new Map(), enums: new Map() };
  for (const file of own) collect(file, contract);
  const described = [...contract.messages].filter(([, { descriptor }]) => !descriptor.options?.mapEntry);
  return new Map(described.map(([name, message]) => [name, describeMessage(message, contract)]));
}

interface Contract {
  messages: Map<string, Commented<DescriptorProto>>;
  enums: Map<string, Commented<EnumDescriptorProto>>;
}

interface Commented<Descriptor> {
  descriptor: Descriptor;
  comment: string;
  /** The comment of the field, or of the enum's value, with this index. */
  commentAt(index: number): string;
}

function collect(file: FileDescriptorProto, { messages, enums }: Contract): void {
  const locations = file.sourceCodeInfo?.location ?? [];
  const comments = new Map(locations.map(({ path, leadingComments }) => [path.join('.'), leadingComments]));
  const commentOf = (...path: number[]) => comments.get(path.join('.')) ?? '';
  const addEnum = (descriptor: EnumDescriptorProto, scope: string, path: number[]) => {
    const commentAt = (index: number) => commentOf(...path, PATH.enumValue, index);
    enums.set(`${scope}.${descriptor.name}`, { descriptor, comment: commentOf(...path), commentAt });
  };
  const addMessage = (descriptor: DescriptorProto, scope: string, path: number[]) => {
    const name = `${scope}.${descriptor.name}`;
    const commentAt = (index: number) => commentOf(...path, PATH.messageField, index);
    messages.set(name, { descriptor, comment: commentOf(...path), commentAt });
    for (const [index, nested] of descriptor.nestedType.entries())
      addMessage(nested, name, [...path, PATH.messageNested, index]);
    for (const [index, nested] of descriptor.enumType.entries())
      addEnum(nested, name, [...path, PATH.messageEnum, index]);
  };
  for (const [index, message] of file.messageType.entries())
    addMessage(message, file.package, [PATH.fileMessage, index]);
  for (const [index, item] of file.enumType.entries()) addEnum(item, file.package, [PATH.fileEnum, index]);
}

function describeMessage({ descriptor, comment, commentAt }: Commented<DescriptorProto>, contract: Contract) {
  const fields = descriptor.field.map((field, index) => describeField(field, commentAt(index), contract));
  return { name: descriptor.name, description: parseFieldComment(comment).description, fields };
}

function describeField(field: FieldDescriptorProto, comment: string, { messages, enums }: Contract): FieldReference {
  const target = field.typeName.slice(1);
  const base = { name: field.name, ...parseFieldComment(comment), enumValues: enumValues(enums.get(target)) };
  const message = messages.get(target);
  if (message?.descriptor.options?.mapEntry) return { ...base, type: 'map[string]string' };
  const prefix = field.label === Label.REPEATED ? '[]' : '';
  const type =
    field.type === Type.MESSAGE ? (message ? 'object' : wellKnown(target)) : (SCALARS[field.type] ?? 'integer');
  return { ...base, type: `${prefix}${type}`, ...(message && { message: target }) };
}

function enumValues(item: Commented<EnumDescriptorProto> | undefined): EnumValueReference[] {
  const values = item?.descriptor.value ?? [];
  return values
    .map(({ name, number }, index) => ({ name, number, ...parseFieldComment(item?.commentAt(index) ?? '') }))
    .filter(({ description }) => description[0] !== 'Never sent.')
    .map(({ name, description }) => ({ name, description }));
}

function wellKnown(fullName: string): string {
  return fullName.split('.').at(-1)?.toLowerCase() as string;
}
