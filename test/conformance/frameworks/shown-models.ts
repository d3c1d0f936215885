import type { ImportedDefinition } from '../../../domain/model-definition.js';
import { definitionNamed, programOf, type Shown } from './page-snippets.js';

/** A model that a program of the page makes, and the definition that it becomes a version of. */
export type ShownModel = {
  readonly what: string;
  readonly program: string;
  readonly code: string;
  readonly definition: ImportedDefinition;
  /** What the file says of its maker. */
  readonly madeBy: RegExp;
};

/** Models by the programs of the page, as they stand there; the forest differs in the lines that its name says. */
export function shownModels(shown: Shown): ShownModel[] {
  const digits = definitionNamed(shown, 'handwritten-digits');
  const like = (name: string, output: string): ImportedDefinition => ({
    ...digits,
    name,
    serving: { ...digits.serving, output: { name: output } },
  });
  const asShown = (what: string, program: string, rest: Pick<ShownModel, 'definition' | 'madeBy'>): ShownModel => ({
    what,
    program,
    code: programOf(shown, program),
    ...rest,
  });
  const sklearn = asShown('scikit-learn: a pipeline with a scaler', 'scikit-learn.py', { definition: digits, madeBy: /^skl2onnx \d/ });
  return [
    sklearn,
    {
      ...sklearn,
      what: 'scikit-learn: a random forest whose labels are texts',
      code: withForest(sklearn.code),
      definition: like('digits-by-forest', 'probabilities'),
    },
    asShown('scikit-learn: gradient boosting, asked by fields', 'disease-progression.py', {
      definition: definitionNamed(shown, 'disease-progression'),
      madeBy: /^skl2onnx \d/,
    }),
    asShown('XGBoost: a classifier', 'xgboost-classifier.py', {
      definition: like('digits-by-xgboost', 'probabilities'),
      madeBy: /^OnnxMLTools \d/,
    }),
    asShown('XGBoost: a regressor', 'xgboost-regressor.py', {
      definition: { ...like('progression-by-xgboost', 'variable'), task: 'regression' },
      madeBy: /^OnnxMLTools \d/,
    }),
    asShown('LightGBM: a classifier', 'lightgbm-classifier.py', {
      definition: like('tumours-by-lightgbm', 'label'),
      madeBy: /^OnnxMLTools \d/,
    }),
  ];
}

function withForest(code: string): string {
  const pipeline = 'make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(train_X, train_y)';
  if (!code.includes(pipeline))
    throw new Error(`scikit-learn.py of docs/importing-models.md has no ${pipeline}: change withForest with it`);
  const forest = "RandomForestClassifier(random_state=1).fit(train_X, [f'digit {digit}' for digit in train_y])";
  return `from sklearn.ensemble import RandomForestClassifier\n${code.replace(pipeline, forest)}`;
}
