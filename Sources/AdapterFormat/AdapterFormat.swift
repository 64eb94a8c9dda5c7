// AdapterFormat
