/// What is written down of a step.
protocol StepRecord {
  /// The run's state after the step.
  var state: RunState { get }
  var metrics: UpdateMetrics { get }
  /// The completions that were sampled; nil where none are.
  var sampled: Rollout? { get }
  /// Names and numbers, in the order of the log.
  var values: [(String, Double)] { get }
  /// One line for people.
  func line(stopStep: Int) -> String
}
