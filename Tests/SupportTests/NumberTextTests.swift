import Support
import Testing

@Suite struct NumberTextTests {
  @Test func sharesAndSmallNumbersHaveFewDigits() {
    #expect(percent(0.5) == "50.0 %" && percent(0.01234) == "1.23 %" && percent(0.0001) == "0.010 %")
    #expect(scientific(1.25e-5) == "1.3e-5" && scientific(0) == "0" && scientific(-420) == "-4.2e2")
    #expect(scientific(9.99e-5) == "1.0e-4")
    #expect(decimal(1.25, 1) == "1.3" && decimal(-2.5, 0) == "-3" && decimal(.nan, 2).contains("nan"))
  }

  @Test func sizesHaveThreeDigitsAndAUnit() {
    #expect(byteText(0) == "0 B" && byteText(999) == "999 B")
    #expect(byteText(1000) == "1.0 kB" && byteText(1_500_000) == "1.5 MB")
    #expect(byteText(3_554_214_752) == "3.55 GB")
    #expect(byteText(999_600) == "1.0 MB")
    #expect(byteText(12_345_678) == "12.3 MB")
    #expect(byteText(.max) == "9223372 TB")
  }
}
