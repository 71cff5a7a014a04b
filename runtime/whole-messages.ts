interface MessageType {
  encode: unknown;
  decode: unknown;
}

interface Definition {
  methods: Readonly<Record<string, { requestType: MessageType; responseType: MessageType }>>;
}

type Whole<Type extends MessageType> = Pick<Type, 'encode' | 'decode'>;

type WholeDefinition<D extends Definition> = Omit<D, 'methods'> & {
  methods: {
    [M in keyof D['methods']]: Omit<D['methods'][M], 'requestType' | 'responseType'> & {
      requestType: Whole<D['methods'][M]['requestType']>;
      responseType: Whole<D['methods'][M]['responseType']>;
    };
  };
};

/**
 * A service definition whose callers pass complete messages. nice-grpc then skips `fromPartial`,
 * which fills in missing fields and would copy every message first.
 */
export function wholeMessages<const D extends Definition>(definition: D): WholeDefinition<D> {
  const methods = Object.entries(definition.methods).map(([name, method]) => {
    const { requestType, responseType } = method;
    const whole = {
      ...method,
      requestType: { encode: requestType.encode, decode: requestType.decode },
      responseType: { encode: responseType.encode, decode: responseType.decode },
    };
    return [name, whole];
  });
  return { ...definition, methods: Object.fromEntries(methods) as WholeDefinition<D>['methods'] };
}
