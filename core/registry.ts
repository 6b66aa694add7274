/** The Confluent-compatible schema registry behind core/codec.ts. */
import type { Codec } from './codec.ts';

export interface RegistryAdmin {
  /** Registers our schemas of a topic that are missing, at the compatibility of the topic; returns their ids by record name. */
  registerTopic(topic: string): Promise<Readonly<Record<string, number>>>;
  /** Registers a platform's own schema under `<topic>-<name>`, compatibility NONE; the same schema again gets the same id. */
  registerForeign(topic: string, schemaJson: string, name: string): Promise<number>;
}

export type RegistryCodec = Codec & RegistryAdmin;
