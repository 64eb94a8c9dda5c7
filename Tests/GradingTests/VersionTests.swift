import Grading
import Testing

@Test func theVersionIsPositive() { #expect(graderVersion > 0) }
