import { Metadata, status } from '@grpc/grpc-js';

/** What the platform calls its errors: the code in the trailer, without its constant prefix. */
export class Failure extends Error {
  readonly grpc: status;
  readonly suffix: string;
  constructor(grpc: status, suffix: string, message: string) {
    super(message);
    this.grpc = grpc;
    this.suffix = suffix;
  }
}

export const invalid = (suffix: string, message: string): Failure =>
  new Failure(status.INVALID_ARGUMENT, suffix, message);

/** The trailer tells errors apart, the gRPC status hardly does; the rpc id stands in both trailer and text. */
export function grpcError(error: unknown, rpcId: string): { code: status; details: string; metadata: Metadata } {
  const known =
    error instanceof Failure ? error : new Failure(status.INTERNAL, 'subscription.internal.error', String(error));
  const metadata = new Metadata();
  metadata.set('rpc-id', rpcId);
  if (known.suffix !== '') metadata.set('error-code', `sfdc.platform.eventbus.grpc.${known.suffix}`);
  return { code: known.grpc, details: `${known.message} rpcId: ${rpcId}`, metadata };
}
