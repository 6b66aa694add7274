import { describe, expect, it } from 'vitest';
import { classifyAnswer } from '../../../connectors/salesforce/classify.ts';

const answer = (code: string, message = '') => JSON.stringify([{ errorCode: code, message }]);

describe('an answer of Salesforce', () => {
  it.each([
    [403, answer('REQUEST_LIMIT_EXCEEDED', 'TotalRequests Limit exceeded.'), 'PLATFORM_LIMIT'],
    [400, answer('UNABLE_TO_LOCK_ROW'), 'PLATFORM_UNAVAILABLE'],
    [400, answer('CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY', 'trigger: UNABLE_TO_LOCK_ROW, …'), 'PLATFORM_UNAVAILABLE'],
    [400, answer('CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY', 'trigger: no'), 'PLATFORM_REFUSED'],
    [400, answer('FIELD_CUSTOM_VALIDATION_EXCEPTION', 'Phone is wrong'), 'PLATFORM_REFUSED'],
    [403, answer('API_DISABLED_FOR_ORG'), 'CREDENTIALS_REFUSED'],
    [404, answer('UNSUPPORTED_API_VERSION', 'Invalid API version'), 'API_VERSION_REFUSED'],
    [400, '{"error":"invalid_client","error_description":"invalid client credentials"}', 'CREDENTIALS_REFUSED'],
    [503, '<html>maintenance</html>', 'PLATFORM_UNAVAILABLE'],
    [404, '<html>proxy</html>', 'PLATFORM_NONSENSE'],
    [401, '', 'CREDENTIALS_REFUSED'],
    [429, '', 'PLATFORM_LIMIT'],
  ])('%i %s is %s', (status, body, code) => {
    expect(classifyAnswer(status, body).code).toBe(code);
  });

  it("keeps the platform's own text, and the field it names", () => {
    const body = JSON.stringify([{ statusCode: 'STRING_TOO_LONG', message: 'Phone: too long', fields: ['Phone'] }]);
    const error = classifyAnswer(400, body);
    expect(error.message).toBe('Salesforce: STRING_TOO_LONG: Phone: too long');
    expect(error.field).toBe('Phone');
  });
});
