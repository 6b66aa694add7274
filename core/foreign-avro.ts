/** Avro that a platform wrote, by its own schema. Pure, so that decoders may use it as well as the codec. */
import avsc from 'avsc';

/** avsc refuses whole numbers beyond 2^53, which Salesforce's commitNumber passes: its longs are bigint, ours are numbers. */
const bigLong = avsc.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE(value);
    return bytes;
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
});

/** Plain values in unions: unwrapping them afterwards, without the schema, corrupts records that have one field. */
export function foreignType(schema: object): avsc.Type {
  return avsc.Type.forSchema(schema as avsc.Schema, { wrapUnions: 'never', registry: { long: bigLong } });
}
