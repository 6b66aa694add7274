/**
 * Framed Avro: magic byte 0, four bytes of registry id, datum. Encoding and decoding are synchronous; the registry is
 * asked at start for the schemas of ours and once per foreign id.
 */

/** What everything that is not the registry itself sees. */
export interface Codec {
  /** @throws TributaryError PAYLOAD_UNDECODABLE when the value does not fit. `topic` decides the subject. */
  encode(topic: string, schema: string, value: object): Buffer;
  /**
   * Decodes into the current version of our schema of that name, whatever version wrote it.
   * @throws TributaryError SCHEMA_UNKNOWN, PAYLOAD_UNDECODABLE
   */
  decode(bytes: Buffer): { readonly schema: string; readonly value: object };
  /** Loads writer schemas that `decode` would miss. One request per unknown id; unknown ones are remembered for a minute. */
  prepare(batch: readonly (Buffer | null)[]): Promise<void>;
}
