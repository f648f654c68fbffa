// SPDX-License-Identifier: Apache-2.0
// What is not needed for the first sight of the dashboard; one file, so that it is one request.
export { ImagesPage } from './images/ImagesPage';
export { HealthPage } from './health/HealthPage';
export { NodesPage } from './nodes/NodesPage';
export { Shortcuts } from './Shortcuts';
export { PodPage } from './pods/PodPage';
export { ExportDialog } from './live/ExportDialog';
export { PullDetail } from './live/PullDetail';
