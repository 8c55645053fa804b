/** When a run has learned enough, or learns no more. */
import type { EvaluationRecord } from './train-options.js';

/** Why a run ended: all of its steps are done, a rule said so, or a signal. */
export type StopReason = 'steps' | 'return' | 'patience' | 'signal';

export interface StopRule {
  /** End at the first evaluation with this mean return. */
  stopAtReturn?: number | undefined;
  /** End after so many evaluations in a row that were no better than the best one before them. */
  patience?: number | undefined;
}

/** The evaluation with the best mean return, the earliest of them; undefined before there is one. */
export function bestEvaluation(
  evaluations: readonly EvaluationRecord[],
): EvaluationRecord | undefined {
  return evaluations.reduce<EvaluationRecord | undefined>(
    (best, each) => (best === undefined || each.mean > best.mean ? each : best),
    undefined,
  );
}

/** The rule that ends the run after these evaluations, if one does. */
export function ruleThatStops(
  { stopAtReturn = Infinity, patience = Infinity }: StopRule,
  evaluations: readonly EvaluationRecord[],
): 'return' | 'patience' | undefined {
  const last = evaluations.at(-1);
  const best = bestEvaluation(evaluations);
  if (last === undefined || best === undefined) return undefined;
  if (last.mean >= stopAtReturn) return 'return';
  const since = evaluations.length - 1 - evaluations.indexOf(best);
  return since >= patience ? 'patience' : undefined;
}
