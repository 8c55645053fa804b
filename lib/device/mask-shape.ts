/** Which of the masks that fit an N:M pattern a projection chooses. */
import { checkOneOf, invalidValue } from '../errors.js';

/**
 * row: the N largest of every M consecutive weights of a row.
 *
 * transposable, for N:4 alone: in each tile of 4 rows and 4 columns N active weights in each row and
 * N in each column, of largest total magnitude, so that W and its transpose are both N:4 (Hubara et
 * al. 2021). Ties go to the mask that is active at the first place, in reading order, at which two
 * differ. In tiles of fewer rows columns hold at most N; the columns of a last group of fewer than 4
 * are projected row by row and hold what comes.
 */
export type MaskShape = (typeof maskShapes)[number];
export const maskShapes = ['row', 'transposable'] as const;

/**
 * @param name what the pattern is called, for error messages
 * @throws InvalidValueError unless the shape is a known one that masks of this pattern can have
 */
export function checkMaskShape(
  shape: MaskShape,
  name: string,
  pattern: { readonly n: number; readonly m: number } | null | undefined,
): void {
  checkOneOf('maskShape', shape, maskShapes);
  if (shape === 'row' || pattern === null || pattern === undefined || pattern.m === 4) return;
  const remedy = 'Transposable masks have M = 4: take 1:4, 2:4 or 3:4, or maskShape "row"';
  const received = `${pattern.n}:${pattern.m}`;
  throw invalidValue(name, 'N:4 under maskShape "transposable"', received, remedy);
}
