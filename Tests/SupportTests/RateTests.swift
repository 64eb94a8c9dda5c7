import Testing

@testable import Support

@Suite struct RateTests {
  @Test func nothingMeasuredIsNoRate() {
    #expect(Duration.zero.rate(of: 4095) == nil && Duration.nanoseconds(1).rate(of: 1) == nil)
    #expect(Duration.seconds(2).rate(of: 0) == nil && Duration.seconds(2).rate(of: -1) == nil)
    #expect(Duration.seconds(2).rate(of: 5) == 2.5)
  }
}
