/** Who makes a change. */
export interface Author {
  name: string;
  /** The name comes from a verified client certificate. */
  authenticated: boolean;
}
