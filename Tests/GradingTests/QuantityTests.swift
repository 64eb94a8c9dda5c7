import Grading
import Testing

/// Units, money, quantities in two units, and times of day.
@Suite struct QuantityTests {
  private func expect(_ gold: String, _ prediction: String, _ expected: Verdict.Outcome) {
    let verdict = Grader().grade(gold: gold, prediction: prediction)
    #expect(verdict.outcome == expected, "\(gold) | \(prediction): \(verdict.why)")
  }

  @Test(arguments: [
    ("3\\text{ hours }20\\text{ minutes}", "200 minutes"),
    ("3 hours 20 minutes", "3\\text{ h }20\\text{ min}"),
    ("3\\text{ hours }20\\text{ minutes}", "3\\text{ hours and }20\\text{ minutes}"),
    ("3\\text{ hours }20\\text{ minutes}", "3 hours, 20 minutes"), ("3 h 20 min", "3\\frac13\\text{ hours}"),
    ("2\\text{ h }30\\text{ min}", "2.5\\text{ h}"), ("150 minutes", "2h 30min"), ("2 h 30 m", "150 min"),
    ("5\\text{ feet }6\\text{ inches}", "\\boxed{66\\text{ inches}}"), ("5 ft 3 in", "63 inches"),
    ("5 ft 3 in", "5'3\""), ("5' 3''", "63\\text{ in}"), ("5\\text{ ft. }3\\text{ in.}", "5 feet, 3 inches"),
    ("2 lb 5 oz", "37 ounces"), ("2\\text{ pounds }5\\text{ ounces}", "37\\text{ oz}"),
    ("1 week 3 days", "10 days"), ("2 years 3 months", "27 months"),
    ("4\\text{ m }50\\text{ cm}", "4.5\\text{ m}"),
    ("1\\text{ gallon }2\\text{ quarts}", "6 quarts"), ("\\$3\\text{ and }50\\text{ cents}", "\\$3.50"),
    ("3 dollars and 50 cents", "350 cents"), ("3\\text{ euros }50\\text{ cents}", "3.50 €"),
    ("30^\\circ 15'", "30^\\circ15'"), ("30^\\circ 15'", "30.25^\\circ"), ("30°15'36''", "30.26°"),
    ("1\\text{ h }1\\text{ min }1\\text{ s}", "3661\\text{ s}"),
    ("-3\\text{ h }30\\text{ min}", "-210\\text{ min}"),
    ("3 hours 20 minutes", "It takes 3 hours 20 minutes."),
    ("200\\text{ minutes}", "So it takes 3 hours and 20 minutes in all."),
  ])
  func twoUnits(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("3\\text{ hours }20\\text{ minutes}", "60"),
    ("3\\text{ hours }20\\text{ minutes}", "60\\text{ minutes}"),
    ("3 hours 20 minutes", "200"), ("3 hours 20 minutes", "3"), ("3 hours 20 minutes", "20"),
    ("60", "3 hours 20 minutes"),
    ("3 hours 20 minutes", "320"), ("3 hours 20 minutes", "20 minutes"), ("3 hours 20 minutes", "3 hours"),
    ("5\\text{ feet }6\\text{ inches}", "30\\text{ inches}"), ("5 ft 3 in", "15"), ("5 ft 3 in", "53"),
    ("15", "5'3\""),
    ("5 ft 3 in", "5.3 ft"), ("2 lb 5 oz", "10"), ("2 lb 5 oz", "2.5 lb"),
    ("\\$3\\text{ and }50\\text{ cents}", "150"),
    ("30^\\circ 15'", "450"), ("30^\\circ 15'", "30.15^\\circ"), ("3\\text{ hours }20\\text{ miles}", "60"),
    ("3\\text{ apples }4\\text{ pears}", "12"), ("12", "3\\text{ R }4"), ("3\\text{ remainder }2", "6"),
    ("20", "It takes 3 hours 20 minutes."), ("3", "2\\text{ hours}, 60\\text{ minutes}"),
  ])
  func twoUnitsAreNoProduct(gold: String, prediction: String) { expect(gold, prediction, .different) }

  @Test(arguments: [
    ("60", "60\\text{ m/s}"), ("60\\text{ km/h}", "60"), ("60", "60\\ \\mathrm{m/s}"),
    ("60", "60\\text{ miles/hour}"),
    ("60", "60\\,\\frac{\\text{km}}{\\text{h}}"), ("7.8", "7.8\\text{ g/cm}^3"), ("7.8", "7.8 g/cm^3"),
    ("9.8", "9.8\\text{ m/s}^2"), ("9.8", "9.8\\,\\frac{\\text{m}}{\\text{s}^2}"), ("9.8", "9.8 m/s²"),
    ("4.7\\text{ k}\\Omega", "4700\\ \\Omega"), ("20", "20 N·m"), ("30", "30 mpg"),
    ("9.8\\text{ m s}^{-2}", "9.8\\text{ m/s}^2"), ("1000\\text{ kg/m}^3", "1\\text{ g/cm}^3"),
    ("60\\text{ mph}", "60\\text{ miles per hour}"), ("60\\text{ mph}", "60\\text{ mi/h}"),
    ("60\\text{ km/h}", "60\\text{ kilometers per hour}"), ("60\\text{ kph}", "60 km/h"),
    ("1\\text{ m/s}", "3.6\\text{ km/h}"),
    ("15", "\\$15/\\text{hour}"), ("15", "\\$15\\text{ per hour}"),
    ("\\$15/\\text{hour}", "15\\text{ dollars per hour}"),
    ("12", "12~\\Omega"), ("12\\,\\Omega", "12\\text{ ohms}"), ("2\\text{ k}\\Omega", "2\\text{ k}\\Omega"),
    ("45", "45 m."), ("45", "45 m"), ("45\\text{ m}", "45 m"), ("45", "45 km."), ("12", "12\\text{ m}^2"),
    ("100", "100 sq ft"), ("100\\text{ ft}^2", "100 square feet"),
    ("100\\text{ ft}^2", "100\\text{ sq. ft.}"),
    ("12\\text{ m}^3", "12\\text{ cubic meters}"), ("5\\text{ m}", "5\\text{ meters long}"),
    ("3\\mu\\text{m}", "3\\text{ μm}"),
    ("25^\\circ\\text{C}", "25"), ("25^\\circ C", "25\\text{ degrees Celsius}"), ("25 °C", "25^\\circ"),
    ("5\\text{ apples}", "5\\text{ apple}"), ("18 students", "18"), ("12\\text{ units}", "12\\text{ cm}"),
    ("12\\text{ square units}", "12\\text{ units}^2"), ("-5\\text{ cm}", "-50\\text{ mm}"),
    ("3\\text{ m}+20\\text{ cm}", "3.2\\text{ m}"),
    ("10+5\\sqrt2\\text{ cm}", "5(2+\\sqrt2)\\text{ cm}"),
    ("15\\text{ m}^2", "5\\text{ m}\\times3\\text{ m}"),
    ("5\\text{ pounds}", "£5"), ("5\\text{ pounds}", "80\\text{ ounces}"),
    ("500\\text{ kB}", "500\\text{ kB}"),
  ])
  func units(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("60", "61\\text{ m/s}"), ("x/h", "60/h"), ("60\\text{ km/h}", "60\\text{ m/s}"),
    ("60\\text{ mph}", "60\\text{ km/h}"),
    ("7.8\\text{ g/cm}^3", "7.8\\text{ kg/cm}^3"), ("5\\text{ m/s}", "5\\text{ m}"),
    ("5\\text{ m/s}", "5\\text{ s/m}"),
    ("3m", "3"), ("3mg", "3"), ("45m", "45"), ("2x", "2 m"), ("3 m", "3"),
    ("12\\text{ cm}^2", "12\\text{ cm}"),
    ("5\\text{ apples}", "5\\text{ oranges}"), ("5\\text{ cm}", "5\\text{ apples}"),
    ("5\\text{ MW}", "5\\text{ mW}"),
    ("25^\\circ\\text{C}", "25^\\circ\\text{F}"), ("-5\\text{ cm}", "-5\\text{ m}"),
    ("3\\text{ m}+20\\text{ cm}", "23"),
    ("5", "5\\text{ squared}"), ("5\\text{ or more}", "5"), ("5", "5\\text{ gazillion}"),
    ("12\\text{ square units}", "12\\text{ cm}"),
    ("5\\text{ m}", "The length is 5 cm."), ("5\\text{ kg}", "The answer is 5 pounds."),
    ("2\\text{ gross}", "2"),
  ])
  func otherUnits(gold: String, prediction: String) { expect(gold, prediction, .different) }

  @Test(arguments: [
    ("2.65", "USD 2.65"), ("2.65", "US\\$2.65"), ("2.65", "\\text{\\$}2.65"), ("2.65", "€2.65"),
    ("2.65", "2,65 €"),
    ("500", "Rs. 500"), ("100", "100元"), ("100", "¥100"), ("100", "₹100"), ("100", "100 RMB"),
    ("100", "£100"),
    ("100\\text{ yuan}", "¥100"), ("100\\text{ yen}", "¥100"), ("\\$0.50", "50¢"), ("\\$36", "USD 36"),
    ("36 euros", "€36"),
    ("\\$3\\text{ million}", "\\$3{,}000{,}000"), ("\\$3\\text{ million}", "\\$3M"), ("-\\$5", "-5"),
    ("\\$\\frac12", "50\\text{ cents}"),
    ("1234.56", "1.234,56"), ("1234567", "1.234.567"), ("1234567.8", "1'234'567.8"), ("1234567", "12,34,567"),
    ("2.5", "2,5"),
    ("\\$20", "It costs \\$20 in all."), ("5 \\text{ EUR}", "5 euros"), ("1000.50", "€1.000,50"),
    ("150000", "₹1,50,000"), ("\\$20", "20美元"),
  ])
  func money(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("\\$5", "€5"), ("\\$5", "5 cents"), ("5\\text{ dollars}", "5\\text{ euros}"), ("\\$36", "36 yen"),
    ("¥100", "₹100"),
    ("US\\$5", "A\\$5"), ("265", "2.65"), ("-1", "0,-1"), ("0,-1", "-1"), ("-5", "0,-5"), ("2,5", "2.5"),
    ("1.5", "1,-5"), ("2.5", "x=2,5"), ("5", "T=2,1+T^2=5"),
    ("1234", "1.234"), ("5\\text{ million dollars}", "5\\text{ dollars}"), ("12", "1,2,"),
  ])
  func otherMoney(gold: String, prediction: String) { expect(gold, prediction, .different) }

  @Test(arguments: [
    ("\\text{6:00 p.m.}", "6:00\\text{ p.m.}"), ("6:00\\text{ PM}", "6 p.m."), ("18:00", "6:00 p.m."),
    ("\\text{6:00 p.m.}", "18:00"),
    ("12{:}30", "12:30"), ("12:30", "12{:}30"), ("12\\colon30", "12:30"), ("12：30", "12:30"),
    ("\\text{noon}", "noon"),
    ("0:15", "12:15 a.m."), ("6:00\\text{ p.m.}", "6:00"), ("6:00", "6:00 am"),
    ("7:45 A.M.", "7:45\\text{ a.m.}"),
    ("4:30 pm", "The train arrives at 4:30 p.m."),
  ])
  func times(gold: String, prediction: String) { expect(gold, prediction, .equal) }

  @Test(arguments: [
    ("6:00 a.m.", "6:00 p.m."), ("6\\text{ am}", "6\\text{ pm}"), ("18:00", "6:00"), ("18:00", "6:00 a.m."),
    ("12:30", "1:30"),
    ("12{:}30", "12.30"), ("12{:}30", "1230"), ("6:00 p.m.", "6:30 p.m."), ("12:00 p.m.", "12:00 a.m."),
    ("1:75", "2:15"),
  ])
  func otherTimes(gold: String, prediction: String) { expect(gold, prediction, .different) }
}
