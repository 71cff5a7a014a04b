import { type ServiceError, status } from '@grpc/grpc-js';

/** What went wrong, and what to do about it. The .proto files say which call returns which code. */
export function remedyOf({ code, details, message }: ServiceError, controller: string): string {
  // grpc-js ends some texts with an empty note.
  const text = (details || message).replace(/\.?\s*Resolution note:\s*$/, '');
  switch (code) {
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
      return `no answer from ${controller}: ${text}; is a controller running there? Give --controller HOST:PORT`;
    case status.INVALID_ARGUMENT:
      return `${text}; correct the named fields and try again`;
    case status.ALREADY_EXISTS:
      return `${text}; choose another name, or change the entry with UpdateEntry`;
    case status.NOT_FOUND:
      return `${text}; the command list prints what exists`;
    default:
      return `${status[code] ?? 'UNKNOWN'}: ${text}`;
  }
}
