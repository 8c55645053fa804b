// Makes PointMass known to the command line, beside the built-in tasks:
//
//   NODE_OPTIONS="--import ./docs/examples/register-point-mass.mjs" npx rnm-td3 train PointMass
import { registerEnvironment } from 'rnm-td3';
import { PointMass } from './point-mass.mjs';

registerEnvironment('PointMass', () => new PointMass());
