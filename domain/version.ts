/** A semantic version `MAJOR.MINOR.PATCH` of a model. */
export type SemanticVersion = string;

export type Stage = 'None' | 'Staging' | 'Production' | 'Archived';
export type ApprovalStatus = 'pending' | 'approved' | 'rejected';
export type Alias = 'champion' | 'challenger' | 'previous';

/** What decides the next version number. */
export type VersionShape = {
  readonly task: string;
  readonly trainer: string;
  /** Request fields and output: the input schema. */
  readonly schemaDigest: string;
  /** Features, hyperparameter space, code. */
  readonly recipeDigest: string;
};
