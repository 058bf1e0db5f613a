/**
 * What one operation may ask for, so that none can occupy the whole process: levels of fields, fields in all, and fields as often as
 * they may be resolved, each list counted as ten.
 */
export const queryLimits = { depth: 14, breadth: 800, complexity: 25_000 } as const;
