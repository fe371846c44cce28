"""Makes normalization.json: what scikit-learn makes of columns that single precision cannot tell apart.

Run with scikit-learn 1.9.1 and NumPy 2.4.6. Scalers are fitted to the training rows in float64; what they return is
rounded to float32.
"""

import json

import numpy as np
from sklearn.preprocessing import MinMaxScaler, StandardScaler

random = np.random.default_rng(12)
n = 40
columns = {
    "unix seconds": 1_700_000_000 + random.integers(0, 600, n),
    "pressure": np.round(101_325 + random.normal(0, 0.02, n), 3),
    "serial number": 123_456_700 + np.arange(n),
    "beyond single precision": random.integers(1, 1000, n) * 1e100,
    "ordinary": np.round(random.normal(5, 2, n), 2),
}
rows = np.stack([column.astype(float) for column in columns.values()], axis=1)
train, test = rows[:30], rows[30:]
scalers = {"min_max": MinMaxScaler((-0.7, 0.7)), "standard": StandardScaler()}
scaled = {
    name: [scaler.fit(train).transform(part).astype("f4").astype(float).tolist() for part in (train, test)]
    for name, scaler in scalers.items()
}
golden = {"columns": list(columns), "train": train.tolist(), "test": test.tolist(), "scaled": scaled}
with open("normalization.json", "w") as file:
    json.dump(golden, file, indent=None)
    file.write("\n")
