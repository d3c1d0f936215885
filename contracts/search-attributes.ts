import { defineSearchAttributeKey } from '@temporalio/common';

/** All Keyword; registered before the first start on every server, test servers too. */
export const searchAttributes = {
  model: defineSearchAttributeKey('Model', 'KEYWORD'),
  modelVersion: defineSearchAttributeKey('ModelVersion', 'KEYWORD'),
  stage: defineSearchAttributeKey('Stage', 'KEYWORD'),
  trigger: defineSearchAttributeKey('Trigger', 'KEYWORD'),
} as const;
