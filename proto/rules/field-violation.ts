/** One field that breaks a rule; the words of google.rpc.BadRequest. */
export interface FieldViolation {
  /** The field's path, for example `paths[2]`. */
  field: string;
  /** What is wrong with which value, and the remedy. */
  description: string;
}
