/** Kafka as the rest of the code sees it. kafkajs is known below core/kafka/ and nowhere else. */
export type * from './kafka/types.ts';
