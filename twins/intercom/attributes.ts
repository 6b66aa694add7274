/**
 * Data attributes: since API 2.0 a custom attribute must be defined before it is written, and a name belongs to one
 * model only, people or companies. Both are errors at the write, not at the definition's reader, so a writer that does
 * not prepare its attributes works against a lenient double and fails on the platform.
 */
import {
  type Attribute,
  type Attributes,
  type AttributeType,
  type ModelName,
  Refusal,
  refusals,
  type Scalar,
} from './types.ts';

const typesByRequest: Readonly<Record<string, AttributeType>> = {
  string: 'string',
  integer: 'integer',
  float: 'float',
  boolean: 'boolean',
  date: 'date',
  datetime: 'date',
  options: 'string',
};

/** Letters, digits, currency symbols and hyphens by the platform's own message; its samples use spaces and underscores too. */
const namePattern = /^[\p{L}\p{N}\p{Sc}_ -]+$/u;
const stringLimit = 255;
const customLimit = 250;

const standard = (model: ModelName, name: string, data_type: AttributeType, api_writable = true): Attribute => ({
  id: null,
  model,
  name,
  description: null,
  data_type,
  options: [],
  api_writable,
  messenger_writable: true,
  custom: false,
  archived: false,
  created_ms: 0,
  updated_ms: 0,
});

const standardAttributes: readonly Attribute[] = [
  standard('contact', 'id', 'string', false),
  standard('contact', 'external_id', 'string'),
  standard('contact', 'role', 'string'),
  standard('contact', 'name', 'string'),
  standard('contact', 'email', 'string'),
  standard('contact', 'phone', 'string'),
  standard('contact', 'owner_id', 'integer'),
  standard('contact', 'unsubscribed_from_emails', 'boolean'),
  standard('contact', 'signed_up_at', 'date'),
  standard('contact', 'last_seen_at', 'date'),
  standard('contact', 'created_at', 'date', false),
  standard('contact', 'updated_at', 'date', false),
  standard('company', 'id', 'string', false),
  standard('company', 'company_id', 'string', false),
  standard('company', 'name', 'string'),
  standard('company', 'plan', 'string'),
  standard('company', 'size', 'integer'),
  standard('company', 'website', 'string'),
  standard('company', 'industry', 'string'),
  standard('company', 'monthly_spend', 'float'),
  standard('company', 'remote_created_at', 'date'),
  standard('company', 'created_at', 'date', false),
  standard('company', 'user_count', 'integer', false),
];

export class AttributeBook {
  readonly #custom: Attribute[] = [];

  list(model?: ModelName, includeArchived = false): readonly Attribute[] {
    return [...standardAttributes, ...this.#custom].filter(
      (attribute) => (model === undefined || attribute.model === model) && (includeArchived || !attribute.archived),
    );
  }

  create(body: Readonly<Record<string, unknown>>, now: number): Attribute {
    const { name, model, data_type, options, description, messenger_writable } = body;
    if (model !== 'contact' && model !== 'company')
      throw refusals.invalid('The Data Attribute model field must be either contact or company', 'model');
    if (typeof name !== 'string' || !namePattern.test(name))
      throw refusals.invalid(
        'Your name for this attribute must only contain alphanumeric characters, currency symbols, and hyphens',
        'name',
      );
    const type = typeof data_type === 'string' ? typesByRequest[data_type] : undefined;
    if (type === undefined) throw refusals.invalid("Data Type isn't an option", 'data_type');
    const taken = this.#custom.find((attribute) => attribute.name === name);
    if (taken !== undefined) {
      const of = (owner: ModelName) => (owner === 'contact' ? 'people' : 'company');
      throw refusals.invalid(
        `You already have '${name}' in your ${of(taken.model)} data. To save this as new ${of(model)} data, use a different name.`,
        'name',
      );
    }
    const values = data_type === 'options' ? optionValues(options) : [];
    if (this.#custom.filter((attribute) => !attribute.archived).length >= customLimit)
      throw refusals.invalid(`You have reached the limit of ${customLimit} custom attributes`);
    const attribute: Attribute = {
      id: this.#custom.length + 1,
      model,
      name,
      description: typeof description === 'string' ? description : null,
      data_type: type,
      options: values,
      api_writable: true,
      messenger_writable: messenger_writable === true,
      custom: true,
      archived: false,
      created_ms: now,
      updated_ms: now,
    };
    this.#custom.push(attribute);
    return attribute;
  }

  /** The type of an attribute cannot be changed; what is not named stays. */
  update(id: number, body: Readonly<Record<string, unknown>>, now: number): Attribute {
    const at = this.#custom.findIndex((attribute) => attribute.id === id);
    const before = this.#custom[at];
    if (before === undefined)
      throw new Refusal(404, 'field_not_found', "We couldn't find that data attribute to update");
    const { archived, description, messenger_writable, options } = body;
    const after: Attribute = {
      ...before,
      ...(typeof archived === 'boolean' && { archived }),
      ...(typeof description === 'string' && { description }),
      ...(typeof messenger_writable === 'boolean' && { messenger_writable }),
      ...(options !== undefined && { options: optionValues(options) }),
      updated_ms: now,
    };
    this.#custom[at] = after;
    return after;
  }

  /** Custom attributes merge key by key: null clears the key, a key not sent is left alone. */
  merge(model: ModelName, before: Attributes, sent: unknown, cutLongStrings: boolean): Attributes {
    if (sent === null || sent === undefined) return before;
    if (typeof sent !== 'object' || Array.isArray(sent))
      throw refusals.invalid('custom_attributes must be an object', 'custom_attributes');
    const after: Record<string, Scalar> = { ...before };
    for (const [name, value] of Object.entries(sent)) {
      const attribute = this.#custom.find((one) => one.model === model && one.name === name && !one.archived);
      if (attribute === undefined)
        throw refusals.invalid(`Custom attribute '${name}' does not exist`, `custom_attributes.${name}`);
      if (value === null) delete after[name];
      else after[name] = checked(attribute, value, cutLongStrings);
    }
    return after;
  }
}

function optionValues(options: unknown): readonly string[] {
  if (!Array.isArray(options)) throw refusals.invalid("Options isn't an array", 'options');
  const values = options.map((option: unknown) =>
    typeof option === 'object' && option !== null && 'value' in option ? String(option.value) : '',
  );
  if (values.length < 2 || values.includes('')) throw refusals.invalid('At least two options are needed', 'options');
  return values;
}

function checked(attribute: Attribute, value: unknown, cutLongStrings: boolean): Scalar {
  const field = `custom_attributes.${attribute.name}`;
  const wrong = () => refusals.invalid(`Custom attribute '${attribute.name}' must be a ${attribute.data_type}`, field);
  switch (attribute.data_type) {
    case 'string':
      if (typeof value !== 'string') throw wrong();
      if (attribute.options.length > 0 && !attribute.options.includes(value))
        throw refusals.invalid(`Custom attribute '${attribute.name}' has no such option`, field);
      if (value.length <= stringLimit) return value;
      if (cutLongStrings) return value.slice(0, stringLimit);
      throw refusals.invalid(`Custom attribute '${attribute.name}' is longer than ${stringLimit} characters`, field);
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong();
      return value;
    case 'float':
      if (typeof value !== 'number') throw wrong();
      return value;
    case 'integer':
    case 'date':
      if (typeof value !== 'number' || !Number.isInteger(value)) throw wrong();
      return value;
  }
}
