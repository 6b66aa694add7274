/**
 * Framed Avro: magic byte 0, four bytes of registry id, datum. Encoding and decoding are synchronous; the registry is
 * asked at start for the schemas of ours and once per foreign id.
 */

export interface Decoded {
  /** Record name. */
  readonly schema: string;
  readonly value: object;
  /** A schema that is not ours (a platform's own), decoded as it was written; its longs are bigint. */
  readonly foreign: boolean;
  /** That foreign schema as its author published it, `doc` texts included, the same object each time; null for ours. */
  readonly definition: object | null;
}

/** What everything that is not the registry itself sees. */
export interface Codec {
  /** @throws TributaryError PAYLOAD_UNDECODABLE when the value does not fit. `topic` decides the subject. */
  encode(topic: string, schema: string, value: object): Buffer;
  /**
   * Decodes into the current version of our schema of that name, whatever version wrote it.
   * @throws TributaryError SCHEMA_UNKNOWN, PAYLOAD_UNDECODABLE
   */
  decode(bytes: Buffer): Decoded;
  /** The datum of a schema that is not ours behind its id, as it came: the platform's own bytes are passed on untouched. */
  frame(id: number, datum: Buffer): Buffer;
  /** Loads writer schemas that `decode` would miss. One request per unknown id; unknown ones are remembered for a minute. */
  prepare(batch: readonly (Buffer | null)[]): Promise<void>;
}
