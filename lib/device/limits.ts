/** How large things may be: what the native side counts them with. */

/** Samples of a batch: 32 bits with a sign. */
export const maxRows = 2_147_483_647;
/** Columns of a batch matrix: its elements of 32 samples are counted likewise. */
export const maxColumns = 67_108_864;
/** Inputs and outputs of a layer: its columns and rows are held in 16 bits. */
export const maxWidth = 65_535;
/** Layers of a network: far more than any that learns. */
export const maxLayers = 1000;
/** Members of an ensemble: all outputs of all of them fit a batch matrix. */
export const maxMembers = 1024;
/** Transitions of a replay buffer: each is drawn by 32 bits. */
export const maxCapacity = 4_294_967_295;
/** Observations and actions in a replay buffer: a transition fits a batch matrix. */
export const maxElements = 16_777_216;
