import Foundation

extension Double {
  // Under the names that Foundation's own functions would shadow inside BigFloat.
  var naturalLogarithm: Double { Foundation.log(self) }
  func angle(_ x: Double) -> Double { Foundation.atan2(self, x) }
}
