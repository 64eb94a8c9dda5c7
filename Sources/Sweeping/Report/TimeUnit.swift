/// The unit of times that a report shows: the one in which its longest run is a number that can be read.
enum TimeUnit: Double {
  case seconds = 1
  case minutes = 60
  case hours = 3600

  /// For runs of which the longest took so many seconds.
  init(longest seconds: Double) { self = seconds < 120 ? .seconds : seconds < 7200 ? .minutes : .hours }

  var name: String {
    switch self {
    case .seconds: "seconds"
    case .minutes: "minutes"
    case .hours: "hours"
    }
  }

  /// A run's time in it.
  func value(_ run: RunRecord) -> Double { run.cost.seconds / rawValue }
}
