import Foundation
import Testing

@testable import Reporting

@Suite struct ChartTests {
  private func labels(_ axis: Axis) -> [String] { axis.ticks.map(\.label) }

  @Test func ticksAreRoundAndHoldTheValues() {
    let axis = Axis("tokens", values: [812, 1377, 2950])
    #expect(labels(axis) == ["0", "1,000", "2,000", "3,000"])
    #expect(axis.range == 0...3000)
    #expect(
      labels(Axis("share", values: [0.42, 0.81], unit: .percent)) == [
        "0 %", "20 %", "40 %", "60 %", "80 %", "100 %",
      ])
    #expect(labels(Axis("step", values: [1, 10], isWhole: true)) == ["2", "4", "6", "8", "10"])
    #expect(Axis("step", values: [3, 4], isWhole: true).range == 3...4)
  }

  @Test func largeTicksAreToldApart() {
    let found = labels(Axis("FLOPs", values: [1.212e13, 1.309e13]))
    #expect(found.first == "1.2e+13" && Set(found).count == found.count, "\(found)")
    #expect(labels(Axis("share", values: [0, 4e-6])).last == "4e-06")
  }

  @Test func zeroIsDrawnAsZero() {
    let zero = Axis("kl", values: [0, 0, 0])
    #expect(zero.range.lowerBound == 0 && zero.ticks.first?.label == "0")
    let constant = Axis("norm", values: [5, 5])
    #expect(constant.range.lowerBound == 0 && constant.range.contains(5))
    let below = Axis("reward", values: [-1, 0.5])
    #expect(below.ticks.contains { $0.value == 0 && $0.label == "0" })
    // The line at zero is that of an axis.
    var chart = Chart("kl", x: Axis("step", values: [1, 2], isWhole: true), y: zero)
    chart.curve([(1, 0), (2, 0)], 0)
    let places = chart.svg.matches(of: /points="[0-9.]+,([0-9.]+) [0-9.]+,([0-9.]+)"/)
    #expect(places.count == 1 && places[0].1 == "234.0" && places[0].2 == "234.0")
  }

  @Test func noLabelLeavesTheChart() {
    let long =
      "an adapter with a name as long as a path of folders, and longer than the chart is wide, by far"
    var chart = Chart(
      "Lengths", x: Axis("tokens of a completion", values: [0, 32_768]),
      y: Axis("completions", values: [0, 123_456]),
      legend: [long, "base", "other", long])
    chart.label(long, 30_000, 100)
    for text in chart.svg.matches(
      of: /<text class="[^"]*" x="([0-9.]+)" y="([0-9.]+)" text-anchor="(\w+)">([^<]*)</)
    {
      let (x, y) = (Double(text.1) ?? -1, Double(text.2) ?? -1)
      let width = 6.6 * Double(text.4.count)
      let left = text.3 == "start" ? x : text.3 == "end" ? x - width : x - width / 2
      #expect(left >= 0 && left + width <= 480 && y > 8 && y <= 280, "\(text.4)")
    }
  }

  @Test func valuesThatAreNotFiniteAreLeftOut() {
    let axis = Axis("norm", values: [.nan, .infinity, 1, 2])
    #expect(axis.range == 0...2)
    var chart = Chart("norm", x: Axis("step", values: [1, 2], isWhole: true), y: axis)
    chart.curve([(1, .nan), (1, 1), (2, 2)], 0)
    #expect(!chart.svg.contains("nan"))
  }

  @Test func namesAreText() {
    let chart = Chart(
      "<b>", x: Axis("<i>", values: [0, 1]), y: Axis("\"", values: [0, 1]), legend: ["<u>", "&"])
    #expect(!chart.svg.contains("<b>") && !chart.svg.contains("<i>") && !chart.svg.contains("<u>"))
  }
}
