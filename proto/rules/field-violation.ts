/** A field that violates a rule. The names are those of google.rpc.BadRequest. */
export interface FieldViolation {
  /** The path of the field, such as `paths[2]`. */
  field: string;
  /** The value, what is wrong with it, and the remedy. */
  description: string;
}
