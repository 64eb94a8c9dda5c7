/// One measured number, and the number that it is compared with.
public struct SpeedResult: Sendable {
  /// A short key.
  public let name: String
  /// What was measured, for people.
  public let title: String
  /// The number.
  public let value: Double
  /// Its unit.
  public let unit: String
  /// The number that the machine's limits, or another measurement, would give.
  public let limit: Double?
  /// What ``limit`` is: `value / limit` is a share of it.
  public let limitName: String

  /// A measurement.
  public init(
    _ name: String, _ title: String, _ value: Double, _ unit: String, limit: Double? = nil,
    limitName: String = ""
  ) {
    self.name = name
    self.title = title
    self.value = value
    self.unit = unit
    self.limit = limit
    self.limitName = limitName
  }
}
