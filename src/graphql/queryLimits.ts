/**
 * What one operation may ask for, so that none can occupy the whole process: levels of fields, fields in all, and fields as often as
 * they may be resolved: a page counts as its size, another list as ten. A hundred clusters in detail with all their instances fit.
 */
export const queryLimits = { depth: 14, breadth: 800, complexity: 50_000 } as const;
