import { defineModel } from '../contracts/define-model.js';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/** Bikes rented in an hour, one step ahead: the caller sends the hour and its weather, the past comes from stored outcomes. */
export default defineModel({
  name: 'demand-forecast',
  description: 'Bike rentals of one hour in Washington, D.C., forecast from weather, calendar and the rentals of the hours before.',
  task: 'regression',
  owner: 'demand-team',
  risk: 'limited',
  source: {
    kind: 'sql',
    files: { bikeshare: 'bikeshare/Bikeshare.csv' },
    // The file has no date: it is 2011 alone, `day` counts from 1 January, `hr` is text.
    query: `
      SELECT TIMESTAMP '2011-01-01' + to_days(CAST(day AS INTEGER) - 1) + to_hours(CAST(hr AS INTEGER)) AS hour,
             temp, atemp, hum, windspeed,
             CASE weathersit WHEN 'clear' THEN 1 WHEN 'cloudy/misty' THEN 2 WHEN 'light rain/snow' THEN 3 WHEN 'heavy rain/snow' THEN 4 END AS weathersit,
             holiday, workingday, bikers
      FROM bikeshare`,
    licence: 'UCI Bike Sharing Dataset (Fanaee-T and Gama, 2013), CC BY 4.0',
    origin: 'PyPI islp 0.6.0, ISLP/data/Bikeshare.csv',
  },
  window: { days: 200 },
  eventTime: 'hour',
  target: { column: 'bikers', unit: 'rentals' },
  checks: {
    columns: [
      { name: 'hour', type: 'timestamp' },
      { name: 'temp', type: 'number', min: 0, max: 1 },
      { name: 'atemp', type: 'number', min: 0, max: 1 },
      { name: 'hum', type: 'number', min: 0, max: 1 },
      { name: 'windspeed', type: 'number', min: 0, max: 1 },
      { name: 'weathersit', type: 'integer', allowed: [1, 2, 3, 4] },
      { name: 'holiday', type: 'integer', allowed: [0, 1] },
      { name: 'workingday', type: 'integer', allowed: [0, 1] },
      { name: 'bikers', type: 'integer', min: 0, max: 5_000 },
    ],
    uniqueBy: ['hour'],
    minRows: 1_000,
  },
  features: [
    { kind: 'input', name: 'temp', column: 'temp' },
    { kind: 'input', name: 'atemp', column: 'atemp' },
    { kind: 'input', name: 'hum', column: 'hum' },
    { kind: 'input', name: 'windspeed', column: 'windspeed' },
    { kind: 'input', name: 'weathersit', column: 'weathersit' },
    { kind: 'input', name: 'holiday', column: 'holiday' },
    { kind: 'input', name: 'workingday', column: 'workingday' },
    { kind: 'calendar', name: 'hourOfDay', part: 'hour' },
    { kind: 'calendar', name: 'dayOfWeek', part: 'dayOfWeek' },
    { kind: 'calendar', name: 'isWeekend', part: 'isWeekend' },
    { kind: 'lag', name: 'lag1h', agoMs: hourMs },
    { kind: 'lag', name: 'lag2h', agoMs: 2 * hourMs },
    { kind: 'lag', name: 'lag3h', agoMs: 3 * hourMs },
    { kind: 'lag', name: 'lag24h', agoMs: dayMs },
    { kind: 'lag', name: 'lag168h', agoMs: 7 * dayMs },
    { kind: 'rollingMean', name: 'mean3h', windowMs: 3 * hourMs },
    { kind: 'rollingMean', name: 'mean24h', windowMs: dayMs },
    { kind: 'rollingMean', name: 'mean168h', windowMs: 7 * dayMs },
  ],
  split: { kind: 'time', trainShare: 0.8 },
  trainer: {
    name: 'lightgbm',
    hyperparameters: { objective: 'poisson', num_leaves: 31, learning_rate: 0.05, n_estimators: 300, min_child_samples: 20 },
    seed: 20_111_001,
    refit: true,
    silenceLimitMs: 2 * minuteMs,
  },
  tuning: {
    sampler: 'bayesian',
    trials: 20,
    parallelism: 2,
    objective: 'mape',
    space: {
      num_leaves: { kind: 'int', low: 20, high: 100 },
      learning_rate: { kind: 'float', low: 0.01, high: 0.3, log: true },
      n_estimators: { kind: 'int', low: 50, high: 500 },
    },
  },
  metrics: [
    { kind: 'mape', name: 'mape', floor: 100 },
    { kind: 'wape', name: 'wape' },
    { kind: 'rmse', name: 'rmse' },
  ],
  gates: [
    { kind: 'maximum', metric: 'mape', limit: 0.15, minRows: 200 },
    // A candidate is judged before its refit: it has not seen the last fifth of its window, while the champion was refitted on
    // more recent rows. That alone made November 2.9% worse (13.60 against 13.21) and, once refitted, better on the weeks after
    // (12.84 against 13.55). The tolerance covers this handicap; the refitted file is judged against the champion in shadow.
    { kind: 'notWorseThanChampion', metric: 'mape', maxRelativeIncrease: 0.05, minRows: 72 },
    { kind: 'latency', maxP95Ms: 100 },
  ],
  serving: {
    endpointKind: 'realtime',
    request: [
      {
        name: 'hour',
        datatype: 'INT64',
        description: 'Beginning of the hour asked for, epoch milliseconds, UTC',
        min: Date.UTC(2000, 0, 1),
        max: Date.UTC(2100, 0, 1),
      },
      { name: 'temp', datatype: 'FP32', description: 'Temperature as a share of 41 degrees Celsius', min: 0, max: 1 },
      { name: 'atemp', datatype: 'FP32', description: 'Felt temperature as a share of 50 degrees Celsius', min: 0, max: 1 },
      { name: 'hum', datatype: 'FP32', description: 'Relative humidity as a fraction', min: 0, max: 1 },
      { name: 'windspeed', datatype: 'FP32', description: 'Wind speed as a share of 67', min: 0, max: 1 },
      {
        name: 'weathersit',
        datatype: 'INT64',
        description: '1 clear, 2 cloudy or misty, 3 light rain or snow, 4 heavy rain or snow',
        min: 1,
        max: 4,
      },
      { name: 'holiday', datatype: 'INT64', description: '1 on a public holiday, else 0', min: 0, max: 1 },
      { name: 'workingday', datatype: 'INT64', description: '1 when neither weekend nor holiday, else 0', min: 0, max: 1 },
    ],
    output: { name: 'bikers', min: 0 },
    subject: ['hour'],
  },
  approval: { expiresAfterMs: 7 * dayMs },
  rollout: {
    plan: 'shadow-then-canary',
    limits: {
      maxP95Ms: 200,
      maxP95RatioToChampion: 1.5,
      // Both answer in a millisecond or two: half as much again of that is noise of the machine, not harm.
      latencyRatioFloorMs: 25,
      maxErrorRate: 0.001,
      maxErrorRatioToChampion: 2,
      quality: { metric: 'ape', floor: 100 },
      minRequests: 40,
      minPairs: 12,
    },
  },
  retraining: {
    schedules: [
      {
        name: 'daily',
        cron: '0 2 * * *',
        overlap: 'skip',
        catchUpWindowMs: 10 * minuteMs,
        note: 'Daily at 02:00 UTC; a slot that finds a run still open is skipped, missed slots are run by backfill',
      },
    ],
    coolDownMs: 12 * hourMs,
  },
  labels: { expectedDelayMs: hourMs },
  card: {
    intendedUse:
      'Planning of the coming hour: how many bikes will be rented in the whole system. Not for single stations or for days ahead.',
    primaryUsers: 'Operations staff who move bikes between stations, and services that plan with them.',
    limitations: [
      'The weather it was trained and measured with is observed, not forecast: with forecast weather its error is larger than the figures here.',
      'It needs the rentals of the last hours. Trained without those of the last three, its MAPE was 20.6% where it is 13.7% with them (held-out rows as of 2011-10-01). With every label a day late, so that its lags are absent, MAPE was 79%: do not plan with it while labels are missing.',
      'One year (2011) of one city. It knows one summer and no growth from year to year.',
      'MAPE is measured over hours with at least 100 rentals; quiet hours (most of the night) are judged by WAPE and RMSE alone.',
    ],
  },
});
