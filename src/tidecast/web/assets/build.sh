#!/bin/sh
# Copies the locked release of the chart library into ../static/vendor; run it after changing package.json.
set -eu
cd "$(dirname "$0")"
npm ci --ignore-scripts --no-audit --no-fund
mkdir -p ../static/vendor/uplot
cp node_modules/uplot/dist/uPlot.iife.min.js node_modules/uplot/dist/uPlot.min.css \
   node_modules/uplot/LICENSE ../static/vendor/uplot/
rm -r node_modules
